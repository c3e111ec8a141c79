"""Image files, before anything is measured on them."""
