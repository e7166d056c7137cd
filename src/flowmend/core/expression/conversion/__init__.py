"""Between values and text: text conversion, reading JSON and numbers, kinds and equality of values."""
