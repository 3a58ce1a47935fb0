# Log-likelihoods of R for the series that likelihood_test prints; writes
# likelihood_r.h.  Only a test oracle: nothing else uses R.
#   likelihood_test series > series.csv; Rscript likelihood.R series.csv > likelihood_r.h
suppressMessages(library(forecast))
lines <- strsplit(readLines(commandArgs(TRUE)[1]), ",")
# arima() starts from conditional sums of squares; where those fail, from 0
far_from_one <- function(phi) length(phi) == 0 || all(phi == 0) || min(Mod(polyroot(c(1, -phi)))) > 1.001
arima_fit <- function(y, m, o) {
  seasonal <- list(order = o[4:6], period = if (m > 1) m else NA)
  xreg <- if (o[7] == 1 && o[2] + o[5] == 1) seq_along(y) else NULL
  best <- -Inf
  for (method in c("CSS-ML", "ML")) {
    fit <- tryCatch(arima(y, order = o[1:3], seasonal = seasonal, xreg = xreg, method = method,
                          include.mean = o[7] == 1, optim.control = list(maxit = 2000)), error = function(e) NULL)
    if (!is.null(fit) && far_from_one(fit$model$phi)) best <- max(best, fit$loglik)
  }
  best
}
value <- sapply(lines, function(f) {
  m <- as.integer(f[2]); y <- ts(as.numeric(strsplit(f[10], " ")[[1]]), frequency = m)
  if (f[1] == "arima") arima_fit(y, m, as.integer(f[3:9]))
  else tryCatch(ets(y, model = f[3], damped = f[4] == "1")$loglik, error = function(e) -Inf)
})
table <- function(name, x) {
  cat(sprintf("static const double %s[%d] = {\n", name, length(x)))
  x <- ifelse(is.finite(x), sprintf("%.4f", x), "-1e9")
  for (i in seq(1, length(x), 8)) cat("\t", paste(x[i:min(i + 7, length(x))], collapse = ", "), if (i + 7 < length(x)) "," else "", "\n", sep = "")
  cat("};\n")
}
kind <- sapply(lines, `[`, 1)
cat("/* Made by likelihood.R: ", R.version.string, ", forecast ", as.character(packageVersion("forecast")), ". */\n", sep = "")
table("r_arima", value[kind == "arima"])
table("r_ets", value[kind == "ets"])
