resource "aws_s3_bucket" "all" {
  bucket        = "${local.name}-artifacts-${data.aws_caller_identity.here.account_id}"
  force_destroy = true
  tags          = local.tags
}

resource "aws_s3_bucket" "logs" {
  bucket        = "${local.name}-logs-${data.aws_caller_identity.here.account_id}"
  force_destroy = true
  tags          = local.tags
}

resource "aws_s3_bucket_versioning" "all" {
  bucket = aws_s3_bucket.all.bucket
  versioning_configuration {
    status = local.second ? "Suspended" : "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "all" {
  bucket = aws_s3_bucket.all.bucket
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
    bucket_key_enabled = !local.second
  }
}

resource "aws_s3_bucket_public_access_block" "all" {
  bucket                  = aws_s3_bucket.all.bucket
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = !local.second
}

resource "aws_s3_bucket_policy" "logs" {
  bucket = aws_s3_bucket.logs.bucket
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TakeAccessLogs"
        Effect    = "Allow"
        Principal = { Service = "logging.s3.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = "${aws_s3_bucket.logs.arn}/*"
        Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.here.account_id } }
      },
      {
        Sid       = "RefusePlainText"
        Effect    = "Deny"
        Principal = "*"
        Action    = local.second ? ["s3:GetObject", "s3:PutObject"] : ["s3:*"]
        Resource  = [aws_s3_bucket.logs.arn, "${aws_s3_bucket.logs.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_s3_bucket_logging" "all" {
  bucket        = aws_s3_bucket.all.bucket
  target_bucket = aws_s3_bucket_policy.logs.bucket
  target_prefix = "artifacts-${var.phase}/"
}

resource "aws_s3_bucket_lifecycle_configuration" "all" {
  bucket = aws_s3_bucket_versioning.all.bucket
  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {
      prefix = ""
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = local.second ? 5 : 7
    }
  }
  rule {
    id     = "expire-scratch"
    status = "Enabled"
    filter {
      prefix = "scratch/"
    }
    expiration {
      days = 30
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
  }
}

resource "aws_s3_bucket_notification" "all" {
  bucket      = aws_s3_bucket.all.bucket
  eventbridge = true
  dynamic "queue" {
    for_each = local.second ? [1] : []
    content {
      queue_arn     = aws_sqs_queue.dead.arn
      events        = ["s3:ObjectCreated:*"]
      filter_prefix = "landing/"
    }
  }
  depends_on = [aws_sqs_queue_policy.dead]
}

resource "aws_s3_object" "code" {
  bucket = aws_s3_bucket_versioning.all.bucket
  key    = "code/handler.zip"
  source = "${var.work}/code.zip"
  etag   = filemd5("${var.work}/code.zip")
  tags   = local.tags
}

resource "aws_dynamodb_table" "all" {
  name         = "${local.name}-registry"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "pk"
  range_key    = "sk"
  attribute {
    name = "pk"
    type = "S"
  }
  attribute {
    name = "sk"
    type = "S"
  }
  ttl {
    enabled        = true
    attribute_name = "expires"
  }
  point_in_time_recovery {
    enabled = !local.second
  }
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"
  deletion_protection_enabled = false
  tags                        = local.tags
}

resource "aws_ssm_parameter" "all" {
  name  = "/${local.name}/products"
  type  = "String"
  value = jsonencode({ phase = var.phase })
  tags  = local.tags
}

resource "aws_ecr_repository" "all" {
  name                 = "${local.name}-training"
  image_tag_mutability = local.second ? "MUTABLE" : "IMMUTABLE"
  force_delete         = true
  image_scanning_configuration {
    scan_on_push = true
  }
  encryption_configuration {
    encryption_type = "AES256"
  }
  tags = local.tags
}

resource "aws_ecr_lifecycle_policy" "all" {
  repository = aws_ecr_repository.all.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Keep the newest"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = local.second ? 40 : 50 }
      action       = { type = "expire" }
    }]
  })
}
