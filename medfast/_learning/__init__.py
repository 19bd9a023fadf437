"""What `medfast.pipeline` and `medfast.sklearn` are made of: private, one step of learning per file."""
