"""The page about a plate, a batch or a run: one HTML file that needs nothing beside itself."""
