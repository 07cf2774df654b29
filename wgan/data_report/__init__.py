"""A report on a prepared data set: what it contains, what is wrong with it, and how it differs from another one."""
