"""What concepts and machinery share: files, this machine, the front end."""
