"""What leaves this machine for the Hugging Face Hub: checked, copied, sent, and compared with what arrived."""
