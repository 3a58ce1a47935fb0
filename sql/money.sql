-- exact money: worked examples and refusals
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT finops.apportion(100, '{1,1,1}');
SELECT finops.apportion(-100, '{1,1,1}');
SELECT finops.apportion(1.005, '{1,1}');
SELECT finops.apportion(100, '{1,1,1}', 0);
SELECT finops.apportion(10, '{0,2.5,0.50}');
SELECT key, finops.apportion_part(amount, weight) OVER (PARTITION BY pool ORDER BY key)
FROM (VALUES ('nat', 10, 'a', 1), ('nat', 10, 'b', 1), ('nat', 10, 'c', 1), ('s3', -0.05, 'a', 3), ('s3', -0.05, 'b', 4)) v(pool, amount, key, weight);
-- refusals
SELECT finops.apportion(10.001, '{1}', 2);
SELECT finops.apportion(10, '{1}', -1);
SELECT finops.apportion(10, '{1}', 16384);
SELECT finops.apportion(10, '{}');
SELECT finops.apportion(10, '{{1},{2}}');
SELECT finops.apportion(10, '{1,NULL}');
SELECT finops.apportion(10, '{1,-2}');
SELECT finops.apportion(10, '{1e300,-2}');
SELECT finops.apportion(10, '{1,NaN}');
SELECT finops.apportion(10, '{1,Infinity}');
SELECT finops.apportion('NaN', '{1}');
SELECT finops.apportion('-Infinity', '{1}');
SELECT finops.apportion(10, '{0,0.00}');
SELECT finops.apportion(10, '{0,1e300}');
SELECT finops.apportion_part(10, NULL) OVER ();
SELECT finops.apportion_part(10, -1) OVER ();
SELECT finops.apportion_part(10, 0) OVER ();
SELECT finops.apportion_part(10, 1, -1) OVER ();
SELECT finops.apportion_part(g, 1) OVER () FROM generate_series(1, 2) g;
