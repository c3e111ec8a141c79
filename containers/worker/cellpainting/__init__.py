"""Cell Painting Batch: from plates of microscope images to profiles, with every image set accounted for."""
