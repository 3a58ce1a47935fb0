-- room bill: the facts as FOCUS 1.2 columns

-- service categories

CREATE TABLE finops.service_category (
	provider text NOT NULL,
	service text NOT NULL,
	service_name text NOT NULL,
	service_category text NOT NULL,
	service_subcategory text NOT NULL,
	shipped boolean NOT NULL DEFAULT false,
	CONSTRAINT service_category_pkey PRIMARY KEY (provider, service, shipped),
	CONSTRAINT service_category_category_check CHECK (service_category OPERATOR(pg_catalog.=) ANY (ARRAY[
		'AI and Machine Learning', 'Analytics', 'Business Applications', 'Compute', 'Databases', 'Developer Tools', 'Multicloud', 'Identity',
		'Integration', 'Internet of Things', 'Management and Governance', 'Media', 'Migration', 'Mobile', 'Networking', 'Security', 'Storage',
		'Web', 'Other']))
);
COMMENT ON TABLE finops.service_category IS 'FOCUS names and categories of services; a row with shipped = false comes before the shipped row of the same service';
COMMENT ON COLUMN finops.service_category.service IS 'as fact_cost_raw.service: the AWS product code, or the service name of a FOCUS bill';
COMMENT ON COLUMN finops.service_category.service_name IS 'FOCUS ServiceName';
COMMENT ON COLUMN finops.service_category.service_subcategory IS 'FOCUS ServiceSubcategory, of this category';

-- Each line: provider, category, subcategory, then code=name or name, by "; ".
-- A code also gets a row under its name, as FOCUS bills of that provider say.
INSERT INTO finops.service_category (provider, service, service_name, service_category, service_subcategory, shipped)
SELECT DISTINCT ON (c.provider, k.service) c.provider, k.service, s.name, c.category, c.subcategory, true
FROM (VALUES
	('AWS', 'AI and Machine Learning', 'AI Platforms', 'AmazonKendra=Amazon Kendra; AmazonPersonalize=Amazon Personalize; AmazonForecast=Amazon Forecast; AmazonRekognition=Amazon Rekognition; AmazonTextract=Amazon Textract'),
	('AWS', 'AI and Machine Learning', 'Bots', 'AmazonLex=Amazon Lex'),
	('AWS', 'AI and Machine Learning', 'Generative AI', 'AmazonBedrock=Amazon Bedrock'),
	('AWS', 'AI and Machine Learning', 'Machine Learning', 'AmazonSageMaker=Amazon SageMaker; AmazonML=Amazon Machine Learning; MachineLearningSavingsPlans=Savings Plans for Amazon SageMaker'),
	('AWS', 'AI and Machine Learning', 'Natural Language Processing', 'comprehend=Amazon Comprehend; AmazonPolly=Amazon Polly; transcribe=Amazon Transcribe; translate=Amazon Translate'),
	('AWS', 'Analytics', 'Business Intelligence', 'AmazonQuickSight=Amazon QuickSight'),
	('AWS', 'Analytics', 'Data Processing', 'AWSGlue=AWS Glue; AmazonAthena=Amazon Athena; ElasticMapReduce=Amazon EMR; AWSLakeFormation=AWS Lake Formation; datapipeline=AWS Data Pipeline'),
	('AWS', 'Analytics', 'Search', 'AmazonES=Amazon OpenSearch Service; AmazonCloudSearch=Amazon CloudSearch'),
	('AWS', 'Analytics', 'Streaming Analytics', 'AmazonKinesis=Amazon Kinesis; AmazonKinesisAnalytics=Amazon Managed Service for Apache Flink; AmazonKinesisFirehose=Amazon Data Firehose; AmazonMSK=Amazon Managed Streaming for Apache Kafka'),
	('AWS', 'Business Applications', 'Productivity and Collaboration', 'AmazonWorkMail=Amazon WorkMail; AmazonWorkDocs=Amazon WorkDocs; AmazonChime=Amazon Chime; AmazonSES=Amazon Simple Email Service'),
	('AWS', 'Business Applications', 'Other (Business Applications)', 'AmazonConnect=Amazon Connect; AmazonPinpoint=Amazon Pinpoint'),
	('AWS', 'Compute', 'Containers', 'AmazonECS=Amazon Elastic Container Service; AmazonEKS=Amazon Elastic Kubernetes Service; AmazonECR=Amazon Elastic Container Registry; AWSAppRunner=AWS App Runner'),
	('AWS', 'Compute', 'End User Computing', 'AmazonWorkSpaces=Amazon WorkSpaces; AmazonAppStream=Amazon AppStream 2.0'),
	('AWS', 'Compute', 'Quantum Compute', 'AmazonBraket=Amazon Braket'),
	('AWS', 'Compute', 'Serverless Compute', 'AWSLambda=AWS Lambda'),
	('AWS', 'Compute', 'Virtual Machines', 'AmazonEC2=Amazon Elastic Compute Cloud; AmazonLightsail=Amazon Lightsail'),
	('AWS', 'Compute', 'Other (Compute)', 'ComputeSavingsPlans=Savings Plans for AWS Compute usage; AWSOutposts=AWS Outposts'),
	('AWS', 'Databases', 'Caching', 'AmazonElastiCache=Amazon ElastiCache; AmazonMemoryDB=Amazon MemoryDB; AmazonDAX=Amazon DynamoDB Accelerator'),
	('AWS', 'Databases', 'Data Warehouses', 'AmazonRedshift=Amazon Redshift'),
	('AWS', 'Databases', 'Ledger Databases', 'AmazonQLDB=Amazon Quantum Ledger Database'),
	('AWS', 'Databases', 'NoSQL Databases', 'AmazonDynamoDB=Amazon DynamoDB; AmazonDocDB=Amazon DocumentDB; AmazonNeptune=Amazon Neptune; AmazonMCS=Amazon Keyspaces; AmazonSimpleDB=Amazon SimpleDB'),
	('AWS', 'Databases', 'Relational Databases', 'AmazonRDS=Amazon Relational Database Service'),
	('AWS', 'Databases', 'Time Series Databases', 'AmazonTimestream=Amazon Timestream'),
	('AWS', 'Databases', 'Other (Databases)', 'DatabaseSavingsPlans=Savings Plans for AWS Databases'),
	('AWS', 'Developer Tools', 'Continuous Integration and Deployment', 'CodeBuild=AWS CodeBuild; AWSCodePipeline=AWS CodePipeline; AWSCodeDeploy=AWS CodeDeploy'),
	('AWS', 'Developer Tools', 'Development Environments', 'AWSCloud9=AWS Cloud9'),
	('AWS', 'Developer Tools', 'Quality Assurance', 'AWSDeviceFarm=AWS Device Farm'),
	('AWS', 'Developer Tools', 'Source Code Management', 'AWSCodeCommit=AWS CodeCommit'),
	('AWS', 'Developer Tools', 'Other (Developer Tools)', 'AWSCodeArtifact=AWS CodeArtifact; AWSXRay=AWS X-Ray'),
	('AWS', 'Identity', 'Identity and Access Management', 'AmazonCognito=Amazon Cognito; AWSDirectoryService=AWS Directory Service'),
	('AWS', 'Integration', 'API Management', 'AmazonApiGateway=Amazon API Gateway; AWSAppSync=AWS AppSync'),
	('AWS', 'Integration', 'Messaging', 'AmazonSNS=Amazon Simple Notification Service; AWSQueueService=Amazon Simple Queue Service; AmazonMQ=Amazon MQ; AWSEvents=Amazon EventBridge'),
	('AWS', 'Integration', 'Workflow Orchestration', 'AmazonStates=AWS Step Functions; AmazonSWF=Amazon Simple Workflow Service; AmazonMWAA=Amazon Managed Workflows for Apache Airflow'),
	('AWS', 'Internet of Things', 'IoT Analytics', 'AWSIoTAnalytics=AWS IoT Analytics'),
	('AWS', 'Internet of Things', 'IoT Platforms', 'AWSIoT=AWS IoT; AWSGreengrass=AWS IoT Greengrass; IoTDeviceManagement=AWS IoT Device Management'),
	('AWS', 'Management and Governance', 'Compliance', 'AWSCloudTrail=AWS CloudTrail; AWSConfig=AWS Config; AWSAuditManager=AWS Audit Manager'),
	('AWS', 'Management and Governance', 'Cost Management', 'AWSBudgets=AWS Budgets; AWSCostExplorer=AWS Cost Explorer'),
	('AWS', 'Management and Governance', 'Observability', 'AmazonCloudWatch=AmazonCloudWatch; AmazonPrometheus=Amazon Managed Service for Prometheus; AmazonGrafana=Amazon Managed Grafana'),
	('AWS', 'Management and Governance', 'Support', 'AWSSupportBusiness=AWS Support (Business); AWSSupportEnterprise=AWS Support (Enterprise); AWSDeveloperSupport=AWS Support (Developer); AWSEnterpriseOnRamp=AWS Support (Enterprise On-Ramp)'),
	('AWS', 'Management and Governance', 'Other (Management and Governance)', 'AWSSystemsManager=AWS Systems Manager; AWSServiceCatalog=AWS Service Catalog; AWSCloudFormation=AWS CloudFormation; OpsWorks=AWS OpsWorks'),
	('AWS', 'Media', 'Gaming', 'AmazonGameLift=Amazon GameLift'),
	('AWS', 'Media', 'Media Streaming', 'AWSElementalMediaConvert=AWS Elemental MediaConvert; AWSElementalMediaLive=AWS Elemental MediaLive; AWSElementalMediaPackage=AWS Elemental MediaPackage; AmazonIVS=Amazon Interactive Video Service'),
	('AWS', 'Migration', 'Data Migration', 'AWSDatabaseMigrationSvc=AWS Database Migration Service; AWSDataSync=AWS DataSync; AWSTransfer=AWS Transfer Family; IngestionServiceSnowball=AWS Snowball'),
	('AWS', 'Networking', 'Application Networking', 'AWSELB=Elastic Load Balancing; AWSAppMesh=AWS App Mesh; AWSCloudMap=AWS Cloud Map'),
	('AWS', 'Networking', 'Content Delivery', 'AmazonCloudFront=Amazon CloudFront; AWSGlobalAccelerator=AWS Global Accelerator'),
	('AWS', 'Networking', 'Network Connectivity', 'AWSDirectConnect=AWS Direct Connect; AWSDataTransfer=AWS Data Transfer'),
	('AWS', 'Networking', 'Network Infrastructure', 'AmazonVPC=Amazon Virtual Private Cloud'),
	('AWS', 'Networking', 'Network Routing', 'AmazonRoute53=Amazon Route 53; AmazonRegistrar=Amazon Registrar'),
	('AWS', 'Networking', 'Network Security', 'AWSNetworkFirewall=AWS Network Firewall; awswaf=AWS WAF; AWSShield=AWS Shield; AWSFMS=AWS Firewall Manager'),
	('AWS', 'Security', 'Secret Management', 'awskms=AWS Key Management Service; AWSSecretsManager=AWS Secrets Manager; CloudHSM=AWS CloudHSM; AWSCertificateManager=AWS Certificate Manager'),
	('AWS', 'Security', 'Security Posture Management', 'AWSSecurityHub=AWS Security Hub; AmazonInspector=Amazon Inspector; AmazonInspectorV2=Amazon Inspector'),
	('AWS', 'Security', 'Threat Detection and Response', 'AmazonGuardDuty=Amazon GuardDuty; AmazonDetective=Amazon Detective; AmazonMacie=Amazon Macie; AmazonSecurityLake=Amazon Security Lake'),
	('AWS', 'Storage', 'Backup Storage', 'AWSBackup=AWS Backup; AmazonGlacier=Amazon Glacier'),
	('AWS', 'Storage', 'File Storage', 'AmazonEFS=Amazon Elastic File System; AmazonFSx=Amazon FSx'),
	('AWS', 'Storage', 'Object Storage', 'AmazonS3=Amazon Simple Storage Service'),
	('AWS', 'Storage', 'Storage Platforms', 'AWSStorageGateway=AWS Storage Gateway'),
	('AWS', 'Web', 'Application Platforms', 'AWSAmplify=AWS Amplify; AWSElasticBeanstalk=AWS Elastic Beanstalk'),
	('Microsoft', 'AI and Machine Learning', 'AI Platforms', 'Cognitive Services; Azure Machine Learning'),
	('Microsoft', 'Analytics', 'Data Processing', 'Azure Data Factory; Azure Databricks; Azure Synapse Analytics; HDInsight'),
	('Microsoft', 'Analytics', 'Search', 'Azure AI Search; Azure Cognitive Search'),
	('Microsoft', 'Analytics', 'Streaming Analytics', 'Event Hubs; Azure Stream Analytics'),
	('Microsoft', 'Compute', 'Containers', 'Azure Kubernetes Service; Azure Kubernetes Service (AKS); Container Instances; Container Registry; Azure Container Apps'),
	('Microsoft', 'Compute', 'Serverless Compute', 'Functions; Azure Functions'),
	('Microsoft', 'Compute', 'Virtual Machines', 'Virtual Machines; Virtual Machine Scale Sets; Azure VM Scale Sets'),
	('Microsoft', 'Databases', 'Caching', 'Azure Cache for Redis'),
	('Microsoft', 'Databases', 'NoSQL Databases', 'Azure Cosmos DB'),
	('Microsoft', 'Databases', 'Relational Databases', 'Azure SQL; SQL Database; Azure SQL Database; SQL Managed Instance; Azure Database for PostgreSQL; Azure Database for MySQL'),
	('Microsoft', 'Identity', 'Identity and Access Management', 'Microsoft Entra ID; Azure Active Directory Domain Services'),
	('Microsoft', 'Integration', 'API Management', 'API Management'),
	('Microsoft', 'Integration', 'Messaging', 'Service Bus; Event Grid'),
	('Microsoft', 'Integration', 'Workflow Orchestration', 'Logic Apps'),
	('Microsoft', 'Management and Governance', 'Observability', 'Azure Monitor; Log Analytics; Application Insights'),
	('Microsoft', 'Networking', 'Application Networking', 'Application Gateway; Load Balancer'),
	('Microsoft', 'Networking', 'Content Delivery', 'Content Delivery Network; Azure Front Door Service'),
	('Microsoft', 'Networking', 'Network Connectivity', 'ExpressRoute; VPN Gateway; Bandwidth'),
	('Microsoft', 'Networking', 'Network Infrastructure', 'Virtual Network'),
	('Microsoft', 'Networking', 'Network Routing', 'Azure DNS; Traffic Manager'),
	('Microsoft', 'Networking', 'Network Security', 'Azure Firewall; Azure DDoS Protection'),
	('Microsoft', 'Security', 'Secret Management', 'Key Vault'),
	('Microsoft', 'Security', 'Threat Detection and Response', 'Microsoft Defender for Cloud; Microsoft Sentinel'),
	('Microsoft', 'Storage', 'Backup Storage', 'Azure Backup; Backup'),
	('Microsoft', 'Storage', 'Block Storage', 'Managed Disks'),
	('Microsoft', 'Storage', 'Storage Platforms', 'Storage; Storage Accounts'),
	('Microsoft', 'Web', 'Application Platforms', 'App Service; Azure App Service'),
	('Google Cloud', 'AI and Machine Learning', 'AI Platforms', 'Vertex AI'),
	('Google Cloud', 'Analytics', 'Analytics Platforms', 'BigQuery'),
	('Google Cloud', 'Analytics', 'Data Processing', 'Cloud Dataflow; Cloud Dataproc'),
	('Google Cloud', 'Compute', 'Containers', 'Kubernetes Engine; Artifact Registry'),
	('Google Cloud', 'Compute', 'Serverless Compute', 'Cloud Run; Cloud Functions; App Engine'),
	('Google Cloud', 'Compute', 'Virtual Machines', 'Compute Engine'),
	('Google Cloud', 'Databases', 'Caching', 'Cloud Memorystore for Redis'),
	('Google Cloud', 'Databases', 'NoSQL Databases', 'Cloud Bigtable; Cloud Firestore'),
	('Google Cloud', 'Databases', 'Relational Databases', 'Cloud SQL; Cloud Spanner'),
	('Google Cloud', 'Integration', 'Messaging', 'Cloud Pub/Sub'),
	('Google Cloud', 'Management and Governance', 'Observability', 'Cloud Logging; Cloud Monitoring'),
	('Google Cloud', 'Networking', 'Network Infrastructure', 'Networking'),
	('Google Cloud', 'Networking', 'Network Routing', 'Cloud DNS'),
	('Google Cloud', 'Security', 'Secret Management', 'Cloud Key Management Service (KMS); Secret Manager'),
	('Google Cloud', 'Storage', 'Object Storage', 'Cloud Storage'),
	('Oracle', 'Compute', 'Virtual Machines', 'COMPUTE'),
	('Oracle', 'Databases', 'Relational Databases', 'DATABASE'),
	('Oracle', 'Management and Governance', 'Observability', 'LOGGING; MONITORING; TELEMETRY'),
	('Oracle', 'Networking', 'Network Infrastructure', 'NETWORK; VIRTUAL_CLOUD_NETWORK'),
	('Oracle', 'Networking', 'Application Networking', 'LBAAS'),
	('Oracle', 'Storage', 'Block Storage', 'BLOCK_STORAGE'),
	('Oracle', 'Storage', 'File Storage', 'FILE_STORAGE'),
	('Oracle', 'Storage', 'Object Storage', 'OBJECTSTORE; OBJECT_STORAGE')
) AS c(provider, category, subcategory, services)
CROSS JOIN LATERAL pg_catalog.string_to_table(c.services, '; ') AS l(entry)
CROSS JOIN LATERAL (SELECT pg_catalog.split_part(l.entry, '=', -1)) AS s(name)
CROSS JOIN LATERAL (SELECT pg_catalog.split_part(l.entry, '=', 1) UNION SELECT s.name) AS k(service);

REVOKE ALL ON finops.service_category FROM PUBLIC;
GRANT SELECT ON finops.service_category TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('finops.service_category', 'WHERE NOT shipped');

-- the view

CREATE VIEW finops.focus_cost_and_usage AS
SELECT
	f.line_item_availability_zone AS "AvailabilityZone",
	f.billed_cost AS "BilledCost",
	COALESCE(f.bill_payer_account_id, f.line_item_usage_account_id, f.source) AS "BillingAccountId",
	NULL::pg_catalog.text AS "BillingAccountName",
	CASE
		WHEN f.provider OPERATOR(pg_catalog.=) 'AWS' THEN 'Management Account'
		WHEN f.provider OPERATOR(pg_catalog.=) 'Microsoft' THEN 'Billing Profile'
		WHEN f.provider OPERATOR(pg_catalog.=) 'Oracle' THEN 'Tenancy'
		ELSE 'Billing Account'
	END AS "BillingAccountType",
	f.line_item_currency_code AS "BillingCurrency",
	t.period_end AS "BillingPeriodEnd",
	t.period_start AS "BillingPeriodStart",
	NULL::pg_catalog.text AS "CapacityReservationId",
	NULL::pg_catalog.text AS "CapacityReservationStatus",
	f.charge_category AS "ChargeCategory",
	f.charge_class AS "ChargeClass",
	f.line_item_line_item_description AS "ChargeDescription",
	COALESCE(f.charge_frequency,
		CASE WHEN f.charge_category OPERATOR(pg_catalog.=) 'Usage' THEN 'Usage-Based' ELSE 'One-Time' END) AS "ChargeFrequency",
	COALESCE(t.charge_end, t.period_end) AS "ChargePeriodEnd",
	COALESCE(pg_catalog.timezone('UTC', f.line_item_usage_start_date), t.period_start) AS "ChargePeriodStart",
	f.commitment_discount_category AS "CommitmentDiscountCategory",
	f.commitment_discount_id AS "CommitmentDiscountId",
	NULL::pg_catalog.text AS "CommitmentDiscountName",
	CASE
		WHEN f.commitment_discount_id IS NULL THEN NULL
		WHEN f.commitment_discount_category OPERATOR(pg_catalog.=) 'Spend' AND f.charge_category OPERATOR(pg_catalog.=) 'Usage' THEN f.effective_cost
		WHEN f.commitment_discount_category OPERATOR(pg_catalog.=) 'Spend' THEN f.billed_cost
		ELSE a.quantity
	END AS "CommitmentDiscountQuantity",
	f.commitment_discount_status AS "CommitmentDiscountStatus",
	CASE
		WHEN f.savings_plan_arn IS NOT NULL THEN 'Savings Plan'
		WHEN f.reservation_arn IS NOT NULL THEN 'Reservation'
	END AS "CommitmentDiscountType",
	CASE
		WHEN f.commitment_discount_id IS NULL THEN NULL
		WHEN f.commitment_discount_category OPERATOR(pg_catalog.=) 'Spend' THEN f.line_item_currency_code
		WHEN a.quantity IS NOT NULL THEN f.pricing_unit
	END AS "CommitmentDiscountUnit",
	u.consumed AS "ConsumedQuantity",
	CASE WHEN u.consumed IS NOT NULL THEN f.pricing_unit END AS "ConsumedUnit",
	a.contracted_cost AS "ContractedCost",
	u.contracted_price AS "ContractedUnitPrice",
	f.effective_cost AS "EffectiveCost",
	f.bill_invoice_id AS "InvoiceId",
	COALESCE(CASE WHEN a.focus THEN f.bill_billing_entity ELSE f.line_item_legal_entity END, f.provider) AS "InvoiceIssuerName",
	a.list_cost AS "ListCost",
	u.list_price AS "ListUnitPrice",
	CASE
		WHEN f.charge_category OPERATOR(pg_catalog.=) 'Usage' AND f.commitment_discount_status IS NOT NULL THEN 'Committed'
		WHEN f.charge_category OPERATOR(pg_catalog.=) 'Usage' AND f.line_item_usage_type OPERATOR(pg_catalog.~~) '%SpotUsage%' THEN 'Dynamic'
		WHEN f.charge_category OPERATOR(pg_catalog.=) ANY (ARRAY['Usage', 'Purchase']) THEN 'Standard'
	END AS "PricingCategory",
	f.line_item_currency_code AS "PricingCurrency",
	u.contracted_price AS "PricingCurrencyContractedUnitPrice",
	f.effective_cost AS "PricingCurrencyEffectiveCost",
	u.list_price AS "PricingCurrencyListUnitPrice",
	a.quantity AS "PricingQuantity",
	CASE WHEN a.quantity IS NOT NULL THEN f.pricing_unit END AS "PricingUnit",
	f.provider AS "ProviderName",
	COALESCE(f.line_item_legal_entity, f.provider) AS "PublisherName",
	f.product_region AS "RegionId",
	f.product_region AS "RegionName",
	f.line_item_resource_id AS "ResourceId",
	NULL::pg_catalog.text AS "ResourceName",
	NULL::pg_catalog.text AS "ResourceType",
	COALESCE(c.service_category, 'Other') AS "ServiceCategory",
	COALESCE(c.service_name, f.service) AS "ServiceName",
	COALESCE(c.service_subcategory, 'Other (Other)') AS "ServiceSubcategory",
	u.sku AS "SkuId",
	CASE WHEN u.sku IS NOT NULL THEN f.line_item_usage_type END AS "SkuMeter",
	CASE WHEN u.sku IS NOT NULL AND f.product_instance_type IS NOT NULL
		THEN pg_catalog.jsonb_build_object('InstanceType', f.product_instance_type) END AS "SkuPriceDetails",
	u.sku AS "SkuPriceId",
	f.line_item_usage_account_id AS "SubAccountId",
	NULL::pg_catalog.text AS "SubAccountName",
	CASE
		WHEN f.line_item_usage_account_id IS NULL THEN NULL
		WHEN f.provider OPERATOR(pg_catalog.=) 'AWS' THEN 'Account'
		WHEN f.provider OPERATOR(pg_catalog.=) 'Microsoft' THEN 'Subscription'
		WHEN f.provider OPERATOR(pg_catalog.=) 'Google Cloud' THEN 'Project'
		WHEN f.provider OPERATOR(pg_catalog.=) 'Oracle' THEN 'Compartment'
		ELSE 'Sub Account'
	END AS "SubAccountType",
	f.resource_tags AS "Tags"
FROM @extschema@.fact_cost_raw f
LEFT JOIN finops.delivery d ON d.delivery_id OPERATOR(pg_catalog.=) f.delivery_id
-- a row of the user's own before the shipped one
LEFT JOIN (
	SELECT DISTINCT ON (s.provider, s.service) s.provider, s.service, s.service_name, s.service_category, s.service_subcategory
	FROM finops.service_category s
	ORDER BY s.provider, s.service, s.shipped
) c ON c.provider OPERATOR(pg_catalog.=) f.provider AND c.service OPERATOR(pg_catalog.=) f.service
CROSS JOIN LATERAL (
	SELECT
		pg_catalog.timezone('UTC', f.bill_billing_period_start_date::pg_catalog.timestamp) AS period_start,
		pg_catalog.timezone('UTC', f.bill_billing_period_start_date::pg_catalog.timestamp OPERATOR(pg_catalog.+) interval '1 month') AS period_end,
		-- cost and usage reports end a month at 23:59:59, FOCUS periods exclude their end
		pg_catalog.timezone('UTC', CASE WHEN pg_catalog.date_trunc('second', f.line_item_usage_end_date)::pg_catalog.time OPERATOR(pg_catalog.=) '23:59:59'
			THEN pg_catalog.date_trunc('second', f.line_item_usage_end_date) OPERATOR(pg_catalog.+) interval '1 second'
			ELSE f.line_item_usage_end_date END) AS charge_end
) t
CROSS JOIN LATERAL (
	SELECT
		COALESCE(d.format OPERATOR(pg_catalog.=) 'focus', false) AS focus,
		CASE WHEN f.charge_category OPERATOR(pg_catalog.=) ANY (ARRAY['Usage', 'Purchase']) THEN f.line_item_usage_amount END AS quantity,
		-- a negation repeats the list price of the usage it cancels
		CASE
			WHEN f.line_item_line_item_type OPERATOR(pg_catalog.=) 'SavingsPlanNegation' THEN 0
			WHEN f.charge_category OPERATOR(pg_catalog.=) 'Usage' OR d.format OPERATOR(pg_catalog.=) 'focus' THEN COALESCE(f.list_cost, f.billed_cost)
			ELSE f.billed_cost
		END AS list_cost,
		CASE
			WHEN f.line_item_line_item_type OPERATOR(pg_catalog.=) 'SavingsPlanNegation' THEN 0
			WHEN f.contracted_cost IS NOT NULL THEN f.contracted_cost
			WHEN f.commitment_discount_status IS NOT NULL THEN COALESCE(f.list_cost, f.billed_cost)
			ELSE f.billed_cost
		END AS contracted_cost
) a
CROSS JOIN LATERAL (
	SELECT
		CASE WHEN f.charge_category OPERATOR(pg_catalog.=) 'Usage' AND f.commitment_discount_status IS DISTINCT FROM 'Unused' THEN a.quantity END AS consumed,
		CASE WHEN a.quantity OPERATOR(pg_catalog.<>) 0 THEN a.contracted_cost OPERATOR(pg_catalog./) a.quantity END AS contracted_price,
		CASE WHEN a.quantity OPERATOR(pg_catalog.<>) 0 THEN a.list_cost OPERATOR(pg_catalog./) a.quantity END AS list_price,
		CASE
			WHEN f.charge_category OPERATOR(pg_catalog.<>) ALL (ARRAY['Usage', 'Purchase']) OR f.line_item_usage_type IS NULL THEN NULL
			WHEN a.focus THEN f.line_item_usage_type
			ELSE pg_catalog.concat_ws(':', f.line_item_product_code, f.line_item_usage_type, f.line_item_operation)
		END AS sku
) u;
COMMENT ON VIEW finops.focus_cost_and_usage IS 'all facts as the 57 columns of FOCUS 1.2 Cost and Usage; the sums of BilledCost and EffectiveCost are those of the facts';
COMMENT ON COLUMN finops.focus_cost_and_usage."ChargePeriodEnd" IS 'excluded from the charge period';
COMMENT ON COLUMN finops.focus_cost_and_usage."ListCost" IS 'cost at public prices of usage; what is billed of everything else and where the bill does not say';
COMMENT ON COLUMN finops.focus_cost_and_usage."ListUnitPrice" IS 'ListCost / PricingQuantity; their product may differ from ListCost behind the sixteenth digit';
COMMENT ON COLUMN finops.focus_cost_and_usage."SkuId" IS 'of a cost and usage report: product code, usage type and operation';

REVOKE ALL ON finops.focus_cost_and_usage FROM PUBLIC;
