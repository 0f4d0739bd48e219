"""What people do with a model: picture files in and out, a playground, a page for the browser, export."""
