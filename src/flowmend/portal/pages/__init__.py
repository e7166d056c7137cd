"""One page per file: gathers what it shows into a frozen value and renders its template."""
