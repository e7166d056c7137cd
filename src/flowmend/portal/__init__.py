"""The web portal: pages that say what is broken, mend it, and lead back to what it broke."""
