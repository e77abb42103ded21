"""Lambda functions of this project's own: collectors, hooks, receivers. infra/__main__.py deploys them."""
