"""What a person gets who installs the wheel."""
