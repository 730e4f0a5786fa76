"""The looks that an examination consists of, one file for each thing that is looked at."""
