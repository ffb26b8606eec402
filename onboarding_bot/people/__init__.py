"""What is done with people's data beside the chat: looked up, erased, and let go of when its time is over."""
