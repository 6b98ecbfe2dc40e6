import java.io.IOException;
import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/**
 * What Amazon MSK does with an IAM login, for tests: the token is a signed URL, and its SigV4 signature is computed
 * here once more from AWS's description of it. An access key's secret is "secret-of-" and the key. A session token is
 * "ends-" and the milliseconds at which the session ends. Every answer is a line of the file "logins" in the
 * broker's folder: the access key, and "ok" or what is wrong.
 */
public final class SignedUrlLogin implements AuthenticateCallbackHandler {
    private static final String EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'");

    @Override
    public void configure(Map<String, ?> settings, String mechanism, List<AppConfigurationEntry> entries) {}

    @Override
    public void close() {}

    @Override
    public void handle(Callback[] callbacks) throws IOException, UnsupportedCallbackException {
        for (Callback callback : callbacks) {
            if (!(callback instanceof OAuthBearerValidatorCallback)) {
                throw new UnsupportedCallbackException(callback);
            }
            OAuthBearerValidatorCallback asked = (OAuthBearerValidatorCallback) callback;
            String[] key = {"?"};
            try {
                asked.token(check(asked.tokenValue(), key));
                note(key[0] + " ok");
            } catch (GeneralSecurityException | RuntimeException wrong) {
                note(key[0] + " " + wrong.getMessage());
                asked.error("invalid_token", null, null);
            }
        }
    }

    private static OAuthBearerToken check(String token, String[] key) throws GeneralSecurityException {
        URI url = URI.create(new String(Base64.getUrlDecoder().decode(token), StandardCharsets.UTF_8));
        Map<String, String> query = new TreeMap<>();
        for (String pair : url.getRawQuery().split("&")) {
            String[] parts = pair.split("=", 2);
            query.put(decode(parts[0]), decode(parts[1]));
        }
        String[] scope = query.get("X-Amz-Credential").split("/");
        key[0] = scope[0];
        String region = scope[2];
        demand("https".equals(url.getScheme()) && "/".equals(url.getPath()), "wrong URL");
        demand(url.getHost().equals("kafka." + region + ".amazonaws.com"), "wrong host");
        demand("kafka-cluster:Connect".equals(query.get("Action")), "wrong action");
        demand("kafka-cluster".equals(scope[3]) && "aws4_request".equals(scope[4]), "wrong scope");
        demand("host".equals(query.get("X-Amz-SignedHeaders")), "wrong headers");
        demand("AWS4-HMAC-SHA256".equals(query.get("X-Amz-Algorithm")), "wrong algorithm");

        String given = query.remove("X-Amz-Signature");
        demand(query.remove("User-Agent") != null, "no user agent");
        demand(given.equals(signature(url.getHost(), query, scope)), "wrong signature");

        long signed = LocalDateTime.parse(query.get("X-Amz-Date"), TIME).toInstant(ZoneOffset.UTC).toEpochMilli();
        long ends = signed + 1000L * Long.parseLong(query.get("X-Amz-Expires"));
        String session = query.get("X-Amz-Security-Token");
        demand(session.startsWith("ends-"), "no session");
        ends = Math.min(ends, Long.parseLong(session.substring("ends-".length())));
        demand(System.currentTimeMillis() < ends, "expired");
        return token(token, signed, ends);
    }

    private static String signature(String host, Map<String, String> query, String[] scope)
            throws GeneralSecurityException {
        StringBuilder pairs = new StringBuilder();
        query.forEach((name, value) ->
            pairs.append(pairs.isEmpty() ? "" : "&").append(encode(name)).append('=').append(encode(value)));
        String canonical = "GET\n/\n" + pairs + "\nhost:" + host + "\n\nhost\n" + EMPTY;
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(canonical.getBytes(StandardCharsets.UTF_8));
        String what = String.join("/", scope[1], scope[2], scope[3], scope[4]);
        String text = "AWS4-HMAC-SHA256\n" + query.get("X-Amz-Date") + "\n" + what + "\n" + hex(digest);
        byte[] key = ("AWS4secret-of-" + scope[0]).getBytes(StandardCharsets.UTF_8);
        for (int at = 1; at <= 4; at++) {
            key = hmac(key, scope[at]);
        }
        return hex(hmac(key, text));
    }

    private static byte[] hmac(byte[] key, String text) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    private static String decode(String text) {
        return URLDecoder.decode(text, StandardCharsets.UTF_8);
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20").replace("*", "%2A").replace("%7E", "~");
    }

    private static void demand(boolean right, String wrong) {
        if (!right) {
            throw new IllegalArgumentException(wrong);
        }
    }

    private static void note(String line) throws IOException {
        Files.writeString(Path.of("logins"), line + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    private static OAuthBearerToken token(String value, long signed, long ends) {
        return new OAuthBearerToken() {
            @Override
            public String value() {
                return value;
            }

            @Override
            public Set<String> scope() {
                return Set.of();
            }

            @Override
            public long lifetimeMs() {
                return ends;
            }

            @Override
            public String principalName() {
                return "relay";
            }

            @Override
            public Long startTimeMs() {
                return signed;
            }
        };
    }
}
