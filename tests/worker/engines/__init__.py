"""The files for other engines are what those engines understand."""
