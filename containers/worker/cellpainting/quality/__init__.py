"""What images, wells and replicates are like: beside profiles, below `quality_control/`."""
