"""What is kept on disk, whatever it is of: folders of arrays that notice damage, and locks between processes."""
