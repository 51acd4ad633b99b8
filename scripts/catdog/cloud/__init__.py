"""The GPU machine on AWS: started, reached, used from here, stopped."""
