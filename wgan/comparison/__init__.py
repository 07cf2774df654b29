"""Two registered versions side by side: measured (`gather`), drawn (`figures`, `pictures`), one HTML file (`report`).

`record` is all that the report knows; making it needs the servers, reading it needs nothing.
"""
