# Every resource type of the Pulumi program, as the program uses it. `phase` is what the second apply changes.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

provider "aws" {
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}

variable "phase" {
  type = string
}

variable "work" {
  description = "A folder with code.zip"
  type        = string
}

locals {
  name   = "headwater-terraform"
  tags   = { Project = "headwater", Phase = var.phase }
  second = var.phase == "two"
}

data "aws_caller_identity" "here" {}
data "aws_region" "here" {}
data "aws_partition" "here" {}
data "aws_availability_zones" "here" {
  state = "available"
}

data "aws_iam_policy_document" "trust" {
  for_each = toset(["lambda", "states", "ecs-tasks", "codebuild", "scheduler", "events"])
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }
  }
}
