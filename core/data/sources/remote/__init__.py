"""Sources that lie elsewhere: over HTTP, or in the cloud. They become local scratch files."""
