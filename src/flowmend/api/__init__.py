"""JSON over HTTP: `/api/v1`, and the signed URLs by which triggers are called and contents are read."""
