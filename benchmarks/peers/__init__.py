"""What peers do, written plainly from their documents, to be measured against."""
