"""Problems too large for one search: divided into cells, planned side by side, joined, checked."""
