"""The pure core: values and decisions. No I/O, no clock, no randomness, neither sync nor async."""
