"""Running a bundle: the way of an image through a proven artifact to a result."""
