"""What a one-node cluster is made of: programs, Debian's packages, images; found or made."""
