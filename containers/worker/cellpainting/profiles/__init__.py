"""From a plate's backend and platemap to annotated, normalized and feature-selected profiles, by pycytominer."""
