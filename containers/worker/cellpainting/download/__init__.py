"""job_type `download_images`: images fetched, cropped, scaled and published, with every one of them accounted for."""
