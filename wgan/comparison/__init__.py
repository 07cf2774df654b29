"""Two registered versions side by side: measured (`gather`), drawn (`figures`, `pictures`), one HTML file (`report`).

`record` holds everything the report shows; creating it needs the servers, reading it needs nothing.
"""
