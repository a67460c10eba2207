"""Writers of export formats: each takes a request and a place, and says what it wrote."""
