"""What Flowmend does, one verb per file, shared by every entrance."""
