"""Services as their documentation says they answer, over HTTP on this machine, each counting what it was asked."""
