/*-------------------------------------------------------------------------
 *
 * generate_catalog.c
 *	  What the generated estate runs: products, prices, regions, and how use
 *	  follows the clock.
 *
 * Product codes, usage types and units are those of AWS cost and usage
 * reports; prices are of the order of public list prices.  Quantities are
 * chosen so that an hourly bill of 2022 costs about one US dollar a line,
 * lines that cost nothing included.
 *
 *-------------------------------------------------------------------------
 */
#include "bill/generate.h"

const GenProduct GenProducts[GEN_PRODUCTS] = {
	[GEN_P_EC2] = {"AmazonEC2", "AmazonEC2", "Amazon Elastic Compute Cloud"},
	[GEN_P_RDS] = {"AmazonRDS", "AmazonRDS", "Amazon Relational Database Service"},
	[GEN_P_S3] = {"AmazonS3", "AmazonS3", "Amazon Simple Storage Service"},
	[GEN_P_LAMBDA] = {"AWSLambda", "AWSLambda", "AWS Lambda"},
	[GEN_P_ECS] = {"AmazonECS", "AmazonECS", "Amazon Elastic Container Service"},
	[GEN_P_EKS] = {"AmazonEKS", "AmazonEKS", "Amazon Elastic Kubernetes Service"},
	[GEN_P_GLUE] = {"AWSGlue", "AWSGlue", "AWS Glue"},
	[GEN_P_ATHENA] = {"AmazonAthena", "AmazonAthena", "Amazon Athena"},
	[GEN_P_EMR] = {"ElasticMapReduce", "ElasticMapReduce", "Amazon EMR"},
	[GEN_P_KINESIS] = {"AmazonKinesis", "AmazonKinesis", "Amazon Kinesis"},
	[GEN_P_DYNAMODB] = {"AmazonDynamoDB", "AmazonDynamoDB", "Amazon DynamoDB"},
	[GEN_P_CLOUDFRONT] = {"AmazonCloudFront", "AmazonCloudFront", "Amazon CloudFront"},
	[GEN_P_ELB] = {"AWSELB", "AWSELB", "Elastic Load Balancing"},
	[GEN_P_OPENSEARCH] = {"AmazonES", "AmazonES", "Amazon OpenSearch Service"},
	[GEN_P_ELASTICACHE] = {"AmazonElastiCache", "AmazonElastiCache", "Amazon ElastiCache"},
	[GEN_P_REDSHIFT] = {"AmazonRedshift", "AmazonRedshift", "Amazon Redshift"},
	[GEN_P_SAGEMAKER] = {"AmazonSageMaker", "AmazonSageMaker", "Amazon SageMaker"},
	[GEN_P_SQS] = {"AWSQueueService", "AWSQueueService", "Amazon Simple Queue Service"},
	[GEN_P_SNS] = {"AmazonSNS", "AmazonSNS", "Amazon Simple Notification Service"},
	[GEN_P_VPC] = {"AmazonVPC", "AmazonVPC", "Amazon Virtual Private Cloud"},
	[GEN_P_CLOUDWATCH] = {"AmazonCloudWatch", "AmazonCloudWatch", "AmazonCloudWatch"},
	[GEN_P_GUARDDUTY] = {"AmazonGuardDuty", "AmazonGuardDuty", "Amazon GuardDuty"},
	[GEN_P_CONFIG] = {"AWSConfig", "AWSConfig", "AWS Config"},
	[GEN_P_KMS] = {"awskms", "awskms", "AWS Key Management Service"},
	[GEN_P_CLOUDTRAIL] = {"AWSCloudTrail", "AWSCloudTrail", "AWS CloudTrail"},
	[GEN_P_EVENTS] = {"AWSEvents", "AWSEvents", "Amazon EventBridge"},
	[GEN_P_ROUTE53] = {"AmazonRoute53", "AmazonRoute53", "Amazon Route 53"},
	[GEN_P_SAVINGSPLANS] = {"ComputeSavingsPlans", "ComputeSavingsPlans", "Savings Plans for AWS Compute usage"},
	[GEN_P_SUPPORT] = {"AWSSupportBusiness", "AWSSupportBusiness", "AWS Support (Business)"},
	[GEN_P_MARKET_A] = {"4q8xw1observeplatformm01", "", "Observability Platform, annual"},
	[GEN_P_MARKET_B] = {"9k2zt7imagescannerproxs4", "", "Image Scanner Pro"},
};

const GenRegion GenRegions[] = {
	{"us-east-1", "", 1000},
	{"eu-west-1", "EU-", 1110},
	{"us-west-2", "USW2-", 1000},
	{"eu-central-1", "EUC1-", 1190},
	{"ap-southeast-1", "APS1-", 1240},
};
const int	GenRegionCount = lengthof(GenRegions);

#define INSTANCE	"i-{h}"
#define VOLUME		"vol-{h}"
#define HOURLY_COST(nano)	(nano), 1000000

/* product, usage type, operation, family, instance type, unit, resource,
 * price, quantity, shape, weight */
static const GenSku tenant_skus[] = {
	{GEN_P_EC2, "BoxUsage:m5.large", "RunInstances", "Compute Instance", "m5.large", "Hrs", INSTANCE, HOURLY_COST(96000000), GEN_FLAT, 6},
	{GEN_P_EC2, "BoxUsage:m5.xlarge", "RunInstances", "Compute Instance", "m5.xlarge", "Hrs", INSTANCE, HOURLY_COST(192000000), GEN_FLAT, 5},
	{GEN_P_EC2, "BoxUsage:c5.2xlarge", "RunInstances", "Compute Instance", "c5.2xlarge", "Hrs", INSTANCE, HOURLY_COST(340000000), GEN_OFFICE, 18},
	{GEN_P_EC2, "BoxUsage:r5.2xlarge", "RunInstances:0002", "Compute Instance", "r5.2xlarge", "Hrs", INSTANCE, HOURLY_COST(504000000), GEN_FLAT, 5},
	{GEN_P_EC2, "BoxUsage:m5.4xlarge", "RunInstances", "Compute Instance", "m5.4xlarge", "Hrs", INSTANCE, HOURLY_COST(768000000), GEN_OFFICE, 14},
	{GEN_P_EC2, "BoxUsage:r5.4xlarge", "RunInstances", "Compute Instance", "r5.4xlarge", "Hrs", INSTANCE, HOURLY_COST(1008000000), GEN_FLAT, 6},
	{GEN_P_EC2, "BoxUsage:r5.12xlarge", "RunInstances:0800", "Compute Instance", "r5.12xlarge", "Hrs", INSTANCE, HOURLY_COST(3024000000), GEN_FLAT, 4},
	{GEN_P_EC2, "BoxUsage:c5.24xlarge", "RunInstances", "Compute Instance", "c5.24xlarge", "Hrs", INSTANCE, HOURLY_COST(4080000000), GEN_NIGHT, 21},
	{GEN_P_EC2, "SpotUsage:c5.9xlarge", "RunInstances:SV001", "Compute Instance", "c5.9xlarge", "Hrs", INSTANCE, HOURLY_COST(621300000), GEN_SPORADIC, 27},
	{GEN_P_EC2, "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", "Storage", "", "GB-Mo", VOLUME, 80000000, 6849315, GEN_FLAT, 6},
	{GEN_P_EC2, "EBS:SnapshotUsage", "CreateSnapshot", "Storage Snapshot", "", "GB-Mo", "arn:aws:ec2:{r}:{a}:snapshot/snap-{h}", 50000000, 210000000, GEN_DAILY, 18},
	{GEN_P_EC2, "DataTransfer-Out-Bytes", "RunInstances", "Data Transfer", "", "GB", INSTANCE, 90000000, 21000000, GEN_DIURNAL, 6},
	{GEN_P_RDS, "InstanceUsage:db.r5.xlarge", "CreateDBInstance:0014", "Database Instance", "db.r5.xlarge", "Hrs", "arn:aws:rds:{r}:{a}:db:{n}", HOURLY_COST(500000000), GEN_FLAT, 4},
	{GEN_P_RDS, "Multi-AZUsage:db.r5.4xlarge", "CreateDBInstance:0014", "Database Instance", "db.r5.4xlarge", "Hrs", "arn:aws:rds:{r}:{a}:db:{n}", HOURLY_COST(4000000000), GEN_FLAT, 4},
	{GEN_P_RDS, "Aurora:ServerlessV2Usage", "CreateDBInstance:0021", "ServerlessV2", "", "ACU-Hr", "arn:aws:rds:{r}:{a}:cluster:{n}", 120000000, 17000000, GEN_DIURNAL, 5},
	{GEN_P_RDS, "RDS:GP2-Storage", "CreateDBInstance:0014", "Database Storage", "", "GB-Mo", "arn:aws:rds:{r}:{a}:db:{n}", 115000000, 2739726, GEN_FLAT, 4},
	{GEN_P_S3, "TimedStorage-ByteHrs", "StandardStorage", "Storage", "", "GB-Mo", "{n}-data", 23000000, 1640000000, GEN_DAILY, 18},
	{GEN_P_S3, "Requests-Tier1", "PutObject", "API Request", "", "Requests", "{n}-data", 5000, 18000000000, GEN_DIURNAL, 5},
	{GEN_P_LAMBDA, "Lambda-GB-Second", "Invoke", "Serverless", "", "Second", "arn:aws:lambda:{r}:{a}:function:{n}", 16667, 54000000000, GEN_DIURNAL, 5},
	{GEN_P_LAMBDA, "Request", "Invoke", "Serverless", "", "Requests", "arn:aws:lambda:{r}:{a}:function:{n}", 200, 16000000000, GEN_DIURNAL, 3},
	{GEN_P_ECS, "Fargate-vCPU-Hours:perCPU", "FargateTask", "Compute", "", "hours", "arn:aws:ecs:{r}:{a}:task/{n}", 40480000, 46000000, GEN_DIURNAL, 6},
	{GEN_P_ECS, "Fargate-GB-Hours", "FargateTask", "Compute", "", "hours", "arn:aws:ecs:{r}:{a}:task/{n}", 4445000, 92000000, GEN_DIURNAL, 4},
	{GEN_P_EKS, "AmazonEKS-Hours:perCluster", "CreateOperation", "Compute", "", "Hours", "arn:aws:eks:{r}:{a}:cluster/{n}", HOURLY_COST(100000000), GEN_FLAT, 2},
	{GEN_P_GLUE, "ETL-DPU-Hour", "Jobrun", "AWS Glue", "", "DPU-Hour", "arn:aws:glue:{r}:{a}:job/{n}", 440000000, 19000000, GEN_NIGHT, 21},
	{GEN_P_ATHENA, "DataScannedInTB", "StartQueryExecution", "Athena Queries", "", "Terabytes", "arn:aws:athena:{r}:{a}:workgroup/{n}", 5000000000, 710000, GEN_SPORADIC, 24},
	{GEN_P_EMR, "BoxUsage:r5.4xlarge", "RunInstances", "Elastic Map Reduce Instance", "r5.4xlarge", "Hrs", "arn:aws:elasticmapreduce:{r}:{a}:cluster/j-{h}", 252000000, 12000000, GEN_NIGHT, 15},
	{GEN_P_KINESIS, "Storage-ShardHour", "shardHourStorage", "Kinesis Streams", "", "ShardHour", "arn:aws:kinesis:{r}:{a}:stream/{n}", 15000000, 58000000, GEN_FLAT, 2},
	{GEN_P_DYNAMODB, "ReadCapacityUnit-Hrs", "CommittedThroughput", "Provisioned IOPS", "", "ReadCapacityUnit-Hrs", "arn:aws:dynamodb:{r}:{a}:table/{n}", 130000, 3900000000, GEN_DIURNAL, 3},
	{GEN_P_CLOUDFRONT, "DataTransfer-Out-Bytes", "GET", "Data Transfer", "", "GB", "arn:aws:cloudfront::{a}:distribution/{n}", 85000000, 31000000, GEN_DIURNAL, 4},
	{GEN_P_ELB, "LoadBalancerUsage", "LoadBalancing:Application", "Load Balancer-Application", "", "Hrs", "arn:aws:elasticloadbalancing:{r}:{a}:loadbalancer/app/{n}", HOURLY_COST(22500000), GEN_FLAT, 3},
	{GEN_P_ELB, "LCUUsage", "LoadBalancing:Application", "Load Balancer-Application", "", "LCU-Hrs", "arn:aws:elasticloadbalancing:{r}:{a}:loadbalancer/app/{n}", 8000000, 23000000, GEN_DIURNAL, 3},
	{GEN_P_OPENSEARCH, "ESInstance:r5.2xlarge", "ESDomain", "Amazon OpenSearch Service Instance", "r5.2xlarge.search", "Hrs", "arn:aws:es:{r}:{a}:domain/{n}", 669000000, 3000000, GEN_FLAT, 2},
	{GEN_P_ELASTICACHE, "NodeUsage:cache.r5.large", "CreateCacheCluster:0002", "Cache Instance", "cache.r5.large", "Hrs", "arn:aws:elasticache:{r}:{a}:cluster:{n}", HOURLY_COST(216000000), GEN_FLAT, 3},
	{GEN_P_REDSHIFT, "Node:ra3.4xlarge", "RunComputeNode:0001", "Compute Instance", "ra3.4xlarge", "Hrs", "arn:aws:redshift:{r}:{a}:cluster:{n}", 3260000000, 2000000, GEN_FLAT, 1},
	{GEN_P_SAGEMAKER, "Train:ml.p3.2xlarge", "RunInstance", "ML Instance", "ml.p3.2xlarge", "Hrs", "arn:aws:sagemaker:{r}:{a}:training-job/{n}", 3825000000, 3600000, GEN_SPORADIC, 18},
	{GEN_P_SQS, "Requests-Tier1", "SendMessage", "API Request", "", "Requests", "arn:aws:sqs:{r}:{a}:{n}", 400, 15000000000, GEN_DIURNAL, 2},
};

static const GenSku shared_skus[] = {
	{GEN_P_EC2, "NatGateway-Hours", "NatGateway", "NAT Gateway", "", "Hrs", "arn:aws:ec2:{r}:{a}:natgateway/nat-{h}", 45000000, 3000000, GEN_FLAT, 4},
	{GEN_P_EC2, "NatGateway-Bytes", "NatGateway", "NAT Gateway", "", "GB", "arn:aws:ec2:{r}:{a}:natgateway/nat-{h}", 45000000, 9000000, GEN_DIURNAL, 4},
	{GEN_P_CLOUDWATCH, "DataProcessing-Bytes", "PutLogEvents", "Data Payload", "", "GB", "arn:aws:logs:{r}:{a}:log-group:{n}", 500000000, 780000, GEN_DIURNAL, 4},
	{GEN_P_CLOUDWATCH, "CW:MetricMonitorUsage", "MetricStorage", "Metric", "", "Metrics", "", 300000000, 410000, GEN_FLAT, 3},
	{GEN_P_VPC, "TransitGateway-Hours", "TransitGatewayVPC", "Transit Gateway", "", "hour", "arn:aws:ec2:{r}:{a}:transit-gateway-attachment/tgw-attach-{h}", 50000000, 3000000, GEN_FLAT, 2},
	{GEN_P_VPC, "PublicIPv4:InUseAddress", "AllocateAddressVPC", "VPC Public IPv4 Address", "", "Hrs", "", 5000000, 24000000, GEN_FLAT, 1},
	{GEN_P_GUARDDUTY, "PaidEventsAnalyzed", "CloudTrail", "Management Tools", "", "Events", "", 4000, 15000000000, GEN_DIURNAL, 2},
	{GEN_P_CONFIG, "ConfigurationItemRecorded", "None", "Management Tools", "", "ConfigurationItemRecorded", "", 3000000, 21000000, GEN_SPORADIC, 2},
	{GEN_P_KMS, "KMS-Keys", "unknown", "Encryption Key", "", "Keys", "arn:aws:kms:{r}:{a}:key/{h}", 1000000000, 55000, GEN_FLAT, 1},
};

static const GenSku stray_skus[] = {
	{GEN_P_EC2, "BoxUsage:t3.medium", "RunInstances", "Compute Instance", "t3.medium", "Hrs", INSTANCE, HOURLY_COST(41600000), GEN_FLAT, 2},
	{GEN_P_EC2, "BoxUsage:t3.xlarge", "RunInstances", "Compute Instance", "t3.xlarge", "Hrs", INSTANCE, HOURLY_COST(166400000), GEN_OFFICE, 2},
	{GEN_P_EC2, "EBS:VolumeUsage.gp2", "CreateVolume-Gp2", "Storage", "", "GB-Mo", VOLUME, 100000000, 684932, GEN_FLAT, 3},
	{GEN_P_EC2, "ElasticIP:IdleAddress", "AssociateAddressVPC", "IP Address", "", "Hrs", "", HOURLY_COST(5000000), GEN_FLAT, 1},
	{GEN_P_S3, "TimedStorage-ByteHrs", "StandardStorage", "Storage", "", "GB-Mo", "{n}-old", 23000000, 41000000, GEN_DAILY, 2},
};

/* The price is the public one that the free tier or the product waives. */
static const GenSku free_skus[] = {
	{GEN_P_CLOUDTRAIL, "FreeEventsRecorded", "None", "Management Tools", "", "Events", "", 0, 12000000, GEN_SPORADIC, 10},
	{GEN_P_EC2, "DataTransfer-In-Bytes", "RunInstances", "Data Transfer", "", "GB", INSTANCE, 0, 3100000, GEN_DIURNAL, 12},
	{GEN_P_EC2, "DataTransfer-Regional-Bytes", "PublicIP-In", "Data Transfer", "", "GB", INSTANCE, 10000000, 1200, GEN_SPORADIC, 8},
	{GEN_P_S3, "DataTransfer-In-Bytes", "PutObject", "Data Transfer", "", "GB", "{n}-data", 0, 810000, GEN_DIURNAL, 12},
	{GEN_P_S3, "Requests-Tier2", "HeadBucket", "API Request", "", "Requests", "{n}-data", 400, 3000000, GEN_SPORADIC, 10},
	{GEN_P_SNS, "Requests-Tier1", "ListTopics", "API Request", "", "Requests", "", 500, 1000000, GEN_SPORADIC, 6},
	{GEN_P_SQS, "Requests-RBP", "ReceiveMessage", "API Request", "", "Requests", "arn:aws:sqs:{r}:{a}:{n}", 400, 7000000, GEN_SPORADIC, 6},
	{GEN_P_KMS, "KMS-Requests", "Decrypt", "API Request", "", "Requests", "", 3000, 9000000, GEN_SPORADIC, 6},
	{GEN_P_CLOUDWATCH, "CW:Requests", "GetMetricStatistics", "API Request", "", "Metrics", "", 10000, 6000000, GEN_SPORADIC, 6},
	{GEN_P_EVENTS, "Event-64K-Chunks", "PutEvents", "EventBridge", "", "64K-Chunks", "", 1000, 2000000, GEN_SPORADIC, 5},
	{GEN_P_LAMBDA, "Request", "Invoke", "Serverless", "", "Requests", "arn:aws:lambda:{r}:{a}:function:{n}", 200, 25000000, GEN_SPORADIC, 6},
	{GEN_P_GLUE, "Catalog-Request", "GetTable", "AWS Glue", "", "Request", "", 1000, 4000000, GEN_SPORADIC, 4},
};

static const GenSku reserved_skus[] = {
	{GEN_P_EC2, "BoxUsage:m5.2xlarge", "RunInstances", "Compute Instance", "m5.2xlarge", "Hrs", INSTANCE, HOURLY_COST(384000000), GEN_FLAT, 3},
	{GEN_P_EC2, "BoxUsage:c5.4xlarge", "RunInstances", "Compute Instance", "c5.4xlarge", "Hrs", INSTANCE, HOURLY_COST(680000000), GEN_FLAT, 2},
	{GEN_P_RDS, "InstanceUsage:db.r5.2xlarge", "CreateDBInstance:0014", "Database Instance", "db.r5.2xlarge", "Hrs", "arn:aws:rds:{r}:{a}:db:{n}", HOURLY_COST(1000000000), GEN_FLAT, 2},
	{GEN_P_ELASTICACHE, "NodeUsage:cache.r5.xlarge", "CreateCacheCluster:0002", "Cache Instance", "cache.r5.xlarge", "Hrs", "arn:aws:elasticache:{r}:{a}:cluster:{n}", HOURLY_COST(431000000), GEN_FLAT, 1},
};

static const GenSku plan_skus[] = {
	{GEN_P_EC2, "BoxUsage:c5.xlarge", "RunInstances", "Compute Instance", "c5.xlarge", "Hrs", INSTANCE, HOURLY_COST(170000000), GEN_FLAT, 2},
	{GEN_P_EC2, "BoxUsage:m5.2xlarge", "RunInstances", "Compute Instance", "m5.2xlarge", "Hrs", INSTANCE, HOURLY_COST(384000000), GEN_FLAT, 2},
	{GEN_P_EC2, "BoxUsage:r5.xlarge", "RunInstances", "Compute Instance", "r5.xlarge", "Hrs", INSTANCE, HOURLY_COST(252000000), GEN_FLAT, 1},
	{GEN_P_EC2, "BoxUsage:m6i.4xlarge", "RunInstances", "Compute Instance", "m6i.4xlarge", "Hrs", INSTANCE, HOURLY_COST(768000000), GEN_FLAT, 1},
};

const GenSkuList GenTenantSkus = {tenant_skus, lengthof(tenant_skus)};
const GenSkuList GenSharedSkus = {shared_skus, lengthof(shared_skus)};
const GenSkuList GenStraySkus = {stray_skus, lengthof(stray_skus)};
const GenSkuList GenFreeSkus = {free_skus, lengthof(free_skus)};
const GenSkuList GenReservedSkus = {reserved_skus, lengthof(reserved_skus)};
const GenSkuList GenPlanSkus = {plan_skus, lengthof(plan_skus)};

/* One working day, permille of the mean hour of the week, UTC. */
static const short weekday_hours[24] = {
	540, 500, 480, 480, 500, 600, 790, 1050, 1340, 1560, 1650, 1660,
	1570, 1620, 1690, 1680, 1580, 1420, 1240, 1090, 960, 830, 710, 610
};

int
GenDiurnal(int weekday, int hour)
{
	int			weight = weekday_hours[hour];

	/* the weekend is flatter and lower, Monday starts the week a bit higher */
	if (weekday >= 5)
		return (weight * 420 + 220 * 1000) / 1000;
	return weekday == 0 ? weight * 104 / 100 : weight;
}

bool
GenShapeRuns(GenShape shape, int weekday, int hour, uint64 noise)
{
	switch (shape)
	{
		case GEN_FLAT:
		case GEN_DIURNAL:
			return true;
		case GEN_OFFICE:
			return weekday < 5 && hour >= 7 && hour < 19;
		case GEN_NIGHT:
			return hour >= 1 && hour < 6;
		case GEN_SPORADIC:
			return noise % 8000 < (uint64) GenDiurnal(weekday, hour);
		case GEN_DAILY:
			return hour == 0;
	}
	return false;
}

int
GenShapeHours(GenShape shape)
{
	static const short hours[] = {730, 730, 261, 152, 91, 30};

	return hours[shape];
}
