"""Work on several processes and machines through Ray. Only this package imports Ray, and only for several workers."""
