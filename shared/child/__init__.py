"""Child processes for hostile input: started without credentials, limited, confined, and addressed by messages."""
