"""Files on a local disk that a crash cannot leave half written."""
