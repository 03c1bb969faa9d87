"""Networks of the user's: what is known of them, whether their code may run, opening them."""
