"""The chapters themselves: executing them, their pictures, their exercises."""
