"""Models' statuses as others draw them: OpenMetrics, dashboards of CloudWatch and Grafana, Prometheus' rules."""
