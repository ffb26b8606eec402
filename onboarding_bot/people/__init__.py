"""What is done with people's data beside the chat: looked up, erased, and deleted after its retention period."""
