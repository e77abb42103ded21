resource "aws_vpc" "all" {
  cidr_block           = "10.77.0.0/16"
  enable_dns_hostnames = !local.second
  enable_dns_support   = true
  tags                 = local.tags
}

resource "aws_internet_gateway" "all" {
  vpc_id = aws_vpc.all.id
  tags   = local.tags
}

resource "aws_route_table" "all" {
  vpc_id = aws_vpc.all.id
  tags   = local.tags
}

resource "aws_route_table" "other" {
  vpc_id = aws_vpc.all.id
  tags   = local.tags
}

resource "aws_route" "all" {
  route_table_id         = local.second ? aws_route_table.other.id : aws_route_table.all.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.all.id
}

resource "aws_subnet" "all" {
  vpc_id                  = aws_vpc.all.id
  cidr_block              = "10.77.1.0/24"
  availability_zone       = data.aws_availability_zones.here.names[0]
  map_public_ip_on_launch = local.second
  tags                    = local.tags
}

resource "aws_route_table_association" "all" {
  subnet_id      = aws_subnet.all.id
  route_table_id = local.second ? aws_route_table.other.id : aws_route_table.all.id
}

resource "aws_vpc_endpoint" "all" {
  for_each          = toset(["s3", "dynamodb"])
  vpc_id            = aws_vpc.all.id
  service_name      = "com.amazonaws.${data.aws_region.here.name}.${each.key}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = local.second ? [aws_route_table.all.id, aws_route_table.other.id] : [aws_route_table.all.id]
  tags              = local.tags
}

resource "aws_default_security_group" "all" {
  vpc_id = aws_vpc.all.id
  tags   = local.tags
}

resource "aws_security_group" "all" {
  name        = "${local.name}-tasks"
  description = "Container tasks: nothing comes in, HTTPS goes out"
  vpc_id      = aws_vpc.all.id
  egress {
    description = "HTTPS to AWS ${var.phase}"
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = ["0.0.0.0/0"]
  }
  tags = local.tags
}

resource "aws_apigatewayv2_api" "all" {
  name          = "${local.name}-serving"
  description   = "Predictions: ${var.phase}."
  protocol_type = "HTTP"
  tags          = local.tags
}

resource "aws_apigatewayv2_integration" "all" {
  api_id                 = aws_apigatewayv2_api.all.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.all.arn
  integration_method     = "POST"
  payload_format_version = "2.0"
  timeout_milliseconds   = local.second ? 20000 : 30000
}

resource "aws_apigatewayv2_route" "all" {
  api_id             = aws_apigatewayv2_api.all.id
  route_key          = local.second ? "POST /models/{model}/predictions" : "POST /models/{model}/predict"
  target             = "integrations/${aws_apigatewayv2_integration.all.id}"
  authorization_type = "AWS_IAM"
}

resource "aws_apigatewayv2_stage" "all" {
  api_id      = aws_apigatewayv2_api.all.id
  name        = "$default"
  auto_deploy = true
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.all.arn
    format          = jsonencode({ id = "$context.requestId", phase = var.phase })
  }
  default_route_settings {
    throttling_rate_limit    = local.second ? 20 : 10
    throttling_burst_limit   = 20
    detailed_metrics_enabled = true
  }
  tags       = local.tags
  depends_on = [aws_apigatewayv2_route.all]
}
