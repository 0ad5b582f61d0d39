import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.utils.Utils;

/** Writes where the Java producer sends keys: key in hex, its murmur2, its partition of 1, 7, 32 and 1000. */
public class Murmur2 {
    public static void main(String[] args) {
        List<byte[]> keys = new ArrayList<>();
        for (String s : new String[] {"", "a", "ab", "abc", "abcd", "abcde", "card-1", "card-42", "4111111111111111", "Zürich", "日本語", "\uD83D\uDE00"})
            keys.add(s.getBytes(StandardCharsets.UTF_8));
        Random random = new Random(7);
        for (int n = 0; n < 20; n++) {
            byte[] b = new byte[n];
            random.nextBytes(b);
            keys.add(b);
        }
        for (byte[] k : keys) {
            StringBuilder line = new StringBuilder(k.length == 0 ? "-" : HexFormat.of().formatHex(k));
            line.append(' ').append(Integer.toUnsignedString(Utils.murmur2(k)));
            for (int n : new int[] {1, 7, 32, 1000}) line.append(' ').append(BuiltInPartitioner.partitionForKey(k, n));
            System.out.println(line);
        }
    }
}
