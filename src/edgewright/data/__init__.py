"""Images, labels, the preprocessing contract."""
