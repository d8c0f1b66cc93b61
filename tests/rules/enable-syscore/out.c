
/* Near miss: somebody else's. */
static struct syscore other_syscore = {
	.ops = &some_ops,
};
