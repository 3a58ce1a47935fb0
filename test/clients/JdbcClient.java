import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.sql.Date;
import java.sql.Statement;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.StringJoiner;

/**
 * What JDBC reads and calls, as lines of name=value; argument: the URL.
 * Statements are prepared in the server at once, so that values travel binary.
 */
public class JdbcClient {
	static Connection connection;

	static void say(String name, Object value) {
		System.out.println(name + "=" + value);
	}

	static PreparedStatement prepare(String sql, Object... args) throws SQLException {
		PreparedStatement statement = connection.prepareStatement(sql);
		for (int i = 0; i < args.length; i++)
			statement.setObject(i + 1, args[i]);
		return statement;
	}

	static ResultSet first(String sql, Object... args) throws SQLException {
		ResultSet rows = prepare(sql, args).executeQuery();
		rows.next();
		return rows;
	}

	static void fails(String name, String sql, Object... args) throws SQLException {
		try {
			first(sql, args);
		} catch (SQLException e) {
			say(name, e.getSQLState());
			connection.rollback();
		}
	}

	public static void main(String[] args) throws Exception {
		System.setOut(new java.io.PrintStream(System.out, true, "UTF-8"));
		connection = DriverManager.getConnection(args[0], System.getenv("PGUSER"), System.getenv("PGPASSWORD"));
		connection.setAutoCommit(false);
		LocalDate month = LocalDate.of(2026, 5, 1);
		Double[] series = {10.0, 12.0, 11.0, 13.0, 12.0, 14.0, 13.0, 15.0};

		say("total", first("SELECT sum(billed_cost) FROM bi_fact_cost_day WHERE currency_key = ?", "USD").getBigDecimal(1).toPlainString());
		say("small", first("SELECT min(abs(billed_cost)) FROM fact_cost_raw").getBigDecimal(1).toPlainString());

		ResultSet rows = prepare("SELECT tenant_id, line_item_usage_amount, line_item_usage_start_date, ingested_at,"
			+ " resource_tags ->> 'team', row_id FROM fact_cost_raw WHERE line_item_product_code = 'AmazonEC2' ORDER BY billed_cost").executeQuery();
		while (rows.next()) {
			String tenant = rows.getString(1);
			say("tenant", rows.wasNull() ? "<null>" : tenant);
			BigDecimal usage = rows.getBigDecimal(2);
			say("usage", rows.wasNull() ? "<null>" : usage.toPlainString());
			say("start", rows.getObject(3, LocalDateTime.class).format(java.time.format.DateTimeFormatter.ISO_LOCAL_DATE_TIME));
			if (rows.getObject(4, OffsetDateTime.class) == null || rows.getLong(6) <= 0)
				throw new IllegalStateException("no time or no number");
			String team = rows.getString(5);
			say("team", rows.wasNull() ? "<none>" : team);
		}
		ResultSet day = first("SELECT date_key, is_weekend, day_of_week FROM bi_dim_date WHERE date_key = ?", LocalDate.of(2026, 5, 3));
		say("day", day.getObject(1, LocalDate.class) + " " + day.getBoolean(2) + " " + day.getInt(3));

		Array weights = connection.createArrayOf("numeric", new BigDecimal[] {BigDecimal.ONE, BigDecimal.ONE, BigDecimal.ONE});
		StringJoiner parts = new StringJoiner(",");
		for (BigDecimal part : (BigDecimal[]) first("SELECT finops.apportion(?, ?)", new BigDecimal("100.00"), weights).getArray(1).getArray())
			parts.add(part.toPlainString());
		say("parts", parts);

		StringJoiner steps = new StringJoiner(",");
		rows = prepare("SELECT * FROM finops.forecast(?, 3)", connection.createArrayOf("float8", series)).executeQuery();
		while (rows.next()) {
			rows.getDouble(2);
			steps.add(rows.getInt(1) + ":" + ((Double[]) rows.getArray(3).getArray()).length);
		}
		say("steps", steps);
		say("model", first("SELECT finops.fit_model(?)", connection.createArrayOf("float8", series)).getString(1).startsWith("{") ? "True" : "False");

		BigDecimal residual = null;
		rows = prepare("SELECT line, amount FROM finops.cost_bridge(?) WHERE currency = 'USD' AND line IN ('billed cost', 'residual') ORDER BY position", month).executeQuery();
		while (rows.next())
			residual = rows.getBigDecimal(2);
		say("residual", residual.stripTrailingZeros().toPlainString());
		say("page", first("SELECT finops.report_html(?)", month).getString(1).split(">")[0]);
		connection.commit();

		fails("error", "SELECT finops.report_html(?)", LocalDate.of(2026, 5, 2));
		fails("denied", "SELECT finops.allocate(?)", month);
		say("after", first("SELECT 1").getInt(1));

		Statement cursor = connection.createStatement();
		cursor.setFetchSize(100);
		rows = cursor.executeQuery("SELECT d FROM generate_series(1, 1000) AS g, LATERAL (SELECT date_key FROM bi_fact_cost_day ORDER BY 1 LIMIT 1) AS f(d)");
		int many = 0;
		while (rows.next())
			many++;
		say("many", many);

		// what BI tools show beside a view and its columns
		rows = connection.getMetaData().getColumns(null, "public", "bi_fact_cost_day", "billed_cost");
		rows.next();
		say("remarks", rows.getString("REMARKS"));
		rows = connection.getMetaData().getTables(null, null, "%", new String[] {"TABLE", "VIEW", "PARTITIONED TABLE"});
		int hidden = 0;
		while (rows.next()) {
			ResultSet may = first("SELECT has_table_privilege(format('%I.%I', ?::text, ?::text), 'SELECT')", rows.getString("TABLE_SCHEM"), rows.getString("TABLE_NAME"));
			if (rows.getString("TABLE_NAME").startsWith("bi_") && !may.getBoolean(1))
				hidden++;
		}
		say("hidden", hidden);
	}
}
