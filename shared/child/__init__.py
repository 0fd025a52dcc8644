"""Child processes for hostile input: started without credentials, limited, sandboxed, and controlled by messages."""
