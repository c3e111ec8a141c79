"""Single images: whether a file is whole, from bytes to pixels and back, crop, 8 bits, pictures of many."""
