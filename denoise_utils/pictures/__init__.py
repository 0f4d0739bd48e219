"""What people do with a model: picture files in and out, a playground, export to other programs."""
