;;;; roman-and-number-words
(ns words (:require [clojure.string :as str]))
(def numerals [[1000 "M"] [900 "CM"] [500 "D"] [400 "CD"] [100 "C"] [90 "XC"] [50 "L"] [40 "XL"] [10 "X"] [9 "IX"] [5 "V"] [4 "IV"] [1 "I"]])
(defn roman [n]
  (loop [n n [[v s] & more :as all] numerals acc ""]
    (cond (zero? n) acc (>= n v) (recur (- n v) all (str acc s)) :else (recur n more acc))))
(defn arabic [s]
  (let [vals (map {\I 1 \V 5 \X 10 \L 50 \C 100 \D 500 \M 1000} s)]
    (reduce + (map (fn [[a b]] (if (and b (< a b)) (- a) a)) (partition-all 2 1 vals)))))
(println (map roman [1 4 9 14 40 90 400 1994 3999]))
(println (map (comp arabic roman) [1 4 9 14 40 90 400 1994 3999]) (every? #(= % (arabic (roman %))) (range 1 300)))
(def small (zipmap (range) (str/split "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen" #" ")))
(def tens {2 "twenty" 3 "thirty" 4 "forty" 5 "fifty" 6 "sixty" 7 "seventy" 8 "eighty" 9 "ninety"})
(defn below-thousand [n]
  (cond (< n 20) (small n)
        (< n 100) (let [[q r] ((juxt quot rem) n 10)] (str (tens q) (when (pos? r) (str "-" (small r)))))
        :else (let [[q r] ((juxt quot rem) n 100)] (str (small q) " hundred" (when (pos? r) (str " " (below-thousand r)))))))
(defn say [n]
  (if (zero? n) "zero"
    (->> (iterate #(quot % 1000) n) (take-while pos?) (map #(mod % 1000))
         (map vector ["" " thousand" " million" " billion"])
         (remove (comp zero? second)) reverse
         (map (fn [[unit v]] (str (below-thousand v) unit))) (str/join " "))))
(doseq [n [0 14 22 100 999 1000 1234567 1000000007]] (println n "=" (say n)))
;;;; poker-hands
(ns poker (:require [clojure.string :as str]))
(def ranks (zipmap "23456789TJQKA" (range 2 15)))
(defn parse [hand] (mapv (fn [[r s]] [(ranks r) s]) (str/split hand #" ")))
(defn score [hand]
  (let [cards (parse hand)
        rs (sort > (map first cards))
        rs (if (= rs [14 5 4 3 2]) [5 4 3 2 1] rs)
        flush? (apply = (map second cards))
        straight? (= rs (range (first rs) (- (first rs) 5) -1))
        groups (sort-by (comp - val) (sort-by (comp - key) (frequencies rs)))
        shape (map val groups)]
    (into [(cond (and flush? straight?) 8 (= shape [4 1]) 7 (= shape [3 2]) 6 flush? 5 straight? 4
                 (= (first shape) 3) 3 (= shape [2 2 1]) 2 (= shape [2 1 1 1]) 1 :else 0)]
          (mapcat (fn [[r n]] (repeat n r)) groups))))
(def hand-names ["high card" "pair" "two pairs" "three" "straight" "flush" "full house" "four" "straight flush"])
(def hands ["2H 3D 5S 9C KD" "2C 2H 4S 8C AH" "2C 3H 4S 5C AH" "TC JC QC KC AC" "2H 2D 2S 9C 9D" "3H 3D 9S 9C KD" "4H 4D 4S 4C KD" "2D 4D 6D 8D TD"])
(doseq [h (sort-by score #(compare %2 %1) hands)] (println (format "%-16s %-15s %s" h (hand-names (first (score h))) (score h))))
;;;; bowling
(defn frames [rolls]
  (loop [rs rolls n 1 acc []]
    (let [[a b c] rs]
      (cond (= n 10) (conj acc (reduce + rs))
            (= a 10) (recur (rest rs) (inc n) (conj acc (+ 10 b c)))
            (= 10 (+ a b)) (recur (drop 2 rs) (inc n) (conj acc (+ 10 c)))
            :else (recur (drop 2 rs) (inc n) (conj acc (+ a b)))))))
(doseq [r [(repeat 12 10) (repeat 21 5) (concat [10 7 3 9 0 10 0 8 8 2 0 6 10 10] [10 8 1])]]
  (println (reduce + (frames r)) (reductions + (frames r))))
;;;; ciphers
(ns ciphers (:require [clojure.string :as str]))
(defn shift [n c]
  (let [i (int c)]
    (cond (<= 97 i 122) (char (+ 97 (mod (+ n (- i 97)) 26)))
          (<= 65 i 90) (char (+ 65 (mod (+ n (- i 65)) 26)))
          :else c)))
(defn caesar [n s] (apply str (map (partial shift n) s)))
(defn atbash [s]
  (->> (str/lower-case s) (filter #(Character/isLetterOrDigit %))
       (map #(if (Character/isLetter %) (char (- 219 (int %))) %))
       (partition-all 5) (map str/join) (str/join " ")))
(defn vigenere [op key text]
  (apply str (map (fn [c k] (shift (op (- (int k) 97)) c)) text (cycle key))))
(println (caesar 13 "Hello, World!") (caesar -13 (caesar 13 "Hello, World!")))
(println (atbash "The quick brown fox jumps over 13 lazy dogs."))
(println (vigenere + "lemon" "attackatdawn") (vigenere - "lemon" (vigenere + "lemon" "attackatdawn")))
(defn rle [s] (str/join (map (fn [g] (str (when (next g) (count g)) (first g))) (partition-by identity s))))
(defn unrle [s] (str/join (for [[_ n c] (re-seq #"(\d*)(\D)" s)] (str/join (repeat (if (seq n) (Integer/parseInt n) 1) c)))))
(println (rle "WWWWWBBBWWXYZ  zz") (unrle "5W3B2WXYZ2 2z") (= "aabccc" (unrle (rle "aabccc"))))
(defn rail [n s]
  (let [pattern (cycle (concat (range n) (range (- n 2) 0 -1)))]
    (apply str (map second (sort-by first (map vector pattern s))))))
(println (rail 3 "WEAREDISCOVEREDFLEEATONCE"))
(defn transpose-cipher [s] (let [t (filter #(Character/isLetter %) (str/lower-case s)) c (long (Math/ceil (Math/sqrt (count t))))]
  (str/join " " (apply map str (partition c c (repeat \space) t)))))
(println (transpose-cipher "If man was meant to stay on the ground, god would have given us roots."))
;;;; brackets
(def pairs {\) \( \] \[ \} \{})
(defn balanced? [s]
  (empty? (reduce (fn [st c]
    (cond ((set (vals pairs)) c) (conj st c)
          (contains? pairs c) (if (= (peek st) (pairs c)) (pop st) (reduced [:bad]))
          :else st)) () s)))
(println (map (juxt identity balanced?) ["()" "([{}])" "(]" "((" "a(b)c" ")("]))
;;;; calendar-by-hand
(defn leap? [y] (and (zero? (mod y 4)) (or (pos? (mod y 100)) (zero? (mod y 400)))))
(defn days-in [y m] (case (int m) (4 6 9 11) 30 2 (if (leap? y) 29 28) 31))
(defn day-number [y m d]
  (let [a (quot (- 14 m) 12) y' (- (+ y 4800) a) m' (- (+ m (* 12 a)) 3)]
    (+ d (quot (+ (* 153 m') 2) 5) (* 365 y') (quot y' 4) (- (quot y' 100)) (quot y' 400) -32045)))
(defn weekday [y m d] (nth [:mon :tue :wed :thu :fri :sat :sun] (mod (day-number y m d) 7)))
(println (weekday 2024 2 29) (weekday 1970 1 1) (- (day-number 2024 3 1) (day-number 2023 3 1)))
(defn month-table [y m]
  (let [first-day (mod (day-number y m 1) 7)
        cells (concat (repeat first-day "  ") (map #(format "%2d" %) (range 1 (inc (days-in y m)))))]
    (doseq [w (partition-all 7 cells)] (println (apply str (interpose " " w))))))
(println "Mo Tu We Th Fr Sa Su")
(month-table 2024 2)
(println (for [m (range 1 13) :let [d (first (filter #(= :sun (weekday 2023 m %)) (range 1 8)))]] d))
;;;; json-by-hand
(ns json (:require [clojure.string :as str]))
(defmulti to-json class)
(defmethod to-json nil [_] "null")
(defmethod to-json Boolean [b] (str b))
(defmethod to-json Number [n] (str n))
(defmethod to-json String [s] (str \" (str/escape s {\" "\\\"" \\ "\\\\" \newline "\\n"}) \"))
(defmethod to-json clojure.lang.Keyword [k] (to-json (name k)))
(defmethod to-json java.util.Map [m] (str "{" (str/join "," (map (fn [[k v]] (str (to-json k) ":" (to-json v))) m)) "}"))
(defmethod to-json java.util.Collection [c] (str "[" (str/join "," (map to-json c)) "]"))
(println (to-json {:a [1 2.5 nil true] :b {"c \"d\"" "x\ny"} :e '(:f) :g []}))
(declare value)
(defn ws [s] (drop-while #{\space \newline \tab} s))
(defn expect [s cs] (reduce (fn [s c] (if (= c (first s)) (rest s) (throw (ex-info "expected" {:want c :got (first s)})))) s cs))
(defn string [s] (loop [s (rest s) acc []] (case (first s) \" [(apply str acc) (rest s)] \\ (recur (drop 2 s) (conj acc (get {\n \newline} (second s) (second s)))) nil (throw (ex-info "eof" {})) (recur (rest s) (conj acc (first s))))))
(defn number [s] (let [[d r] (split-with (set "0123456789.-") s) t (apply str d)] [(if (some #{\.} t) (Double/parseDouble t) (Long/parseLong t)) r]))
(defn many [s close item]
  (loop [s (ws (rest s)) acc []]
    (cond (= close (first s)) [acc (rest s)]
          (= \, (first s)) (recur (ws (rest s)) acc)
          :else (let [[v r] (item s)] (recur (ws r) (conj acc v))))))
(defn pair [s] (let [[k r] (string s) [v r] (value (ws (expect (ws r) ":")))] [[(keyword k) v] r]))
(defn value [s]
  (let [s (ws s) c (first s)]
    (case c \{ (update (many s \} pair) 0 (partial into {})) \[ (many s \] value) \" (string s)
      \t [true (expect s "true")] \f [false (expect s "false")] \n [nil (expect s "null")] (number s))))
(prn (first (value "{\"a\": [1, 2.5, null, true], \"b\": {\"c\": \"x\\ny\"}, \"d\": []}")))
(println (try (value "[1, tru]") (catch Exception e (ex-data e))))
;;;; parser-combinators
(defn pure [v] (fn [s] [v s]))
(defn bind [p f] (fn [s] (when-let [[v r] (p s)] ((f v) r))))
(defn sat [pred] (fn [s] (when-let [c (first s)] (when (pred c) [c (rest s)]))))
(defn alt [& ps] (fn [s] (some #(% s) ps)))
(defmacro do-parse [bindings result]
  (if (empty? bindings) `(pure ~result)
    (let [[n p & more] bindings] `(bind ~p (fn [~n] (do-parse ~(vec more) ~result))))))
(declare many1)
(defn many0 [p] (alt (fn [s] ((many1 p) s)) (pure [])))
(defn many1 [p] (do-parse [x p xs (many0 p)] (into [x] xs)))
(defn tok [c] (do-parse [x (sat #{c}) _ (many0 (sat #{\space}))] x))
(def digits (do-parse [ds (many1 (sat #(Character/isDigit %))) _ (many0 (sat #{\space}))] (Long/parseLong (apply str ds))))
(declare expr)
(def factor (alt digits (do-parse [_ (tok \() e (fn [s] (expr s)) _ (tok \))] e)))
(defn chain [p ops] (do-parse [x p more (many0 (do-parse [o (apply alt (map tok (keys ops))) y p] [(ops o) y]))] (reduce (fn [a [f b]] (f a b)) x more)))
(def term (chain factor {\* * \/ /}))
(def expr (chain term {\+ + \- -}))
(doseq [s ["1 + 2 * 3" "(1 + 2) * 3" "10 - 4 - 3" "7 / 2" "2 * (3 + (4 - 1))" "x"]] (println s "=>" (first (expr s))))
;;;; trie-and-huffman
(defn insert [t w] (assoc-in t (conj (vec w) :end) true))
(defn completions [t prefix]
  (letfn [(walk [t acc] (concat (when (:end t) [(apply str acc)]) (mapcat (fn [[c sub]] (walk sub (conj acc c))) (sort-by key (dissoc t :end)))))]
    (when-let [sub (get-in t (vec prefix))] (walk sub (vec prefix)))))
(let [t (reduce insert {} ["car" "card" "care" "cat" "dog" "do"])]
  (println (completions t "car") (completions t "d") (completions t "x")))
(defn huffman [s]
  (loop [q (into (sorted-set-by (fn [a b] (compare [(:w a) (:id a)] [(:w b) (:id b)])))
                 (map (fn [[c n]] {:w n :id (str c) :leaf c}) (frequencies s)))]
    (if (next q)
      (let [[a b] (take 2 q)] (recur (conj (disj q a b) {:w (+ (:w a) (:w b)) :id (str (:id a) (:id b)) :kids [a b]})))
      (first q))))
(defn codes [{:keys [leaf kids]} prefix]
  (if kids (apply merge (map codes kids [(str prefix 0) (str prefix 1)])) {leaf (if (= "" prefix) "0" prefix)}))
(let [s "abracadabra" c (codes (huffman s) "")]
  (println (into (sorted-map) c))
  (println (apply str (map c s)) (count (apply str (map c s)))))
;;;; text-adventure
(def rooms {:hall {:text "A hall." :exits {:north :library :east :kitchen} :items #{}}
            :library {:text "Books." :exits {:south :hall} :items #{:lamp}}
            :kitchen {:text "It smells." :exits {:west :hall :down :cellar} :items #{:knife}}
            :cellar {:text "Dark." :exits {:up :kitchen} :items #{:treasure} :needs :lamp}})
(defmulti command (fn [_ [verb]] verb))
(defmethod command :default [s [v]] (update s :out conj (str "I do not know how to " (name v) ".")))
(defmethod command :go [{:keys [at bag] :as s} [_ dir]]
  (if-let [to (get-in rooms [at :exits dir])]
    (let [{:keys [needs text]} (rooms to)]
      (if (and needs (not (bag needs))) (update s :out conj (str "Too dark without the " (name needs) "."))
        (-> s (assoc :at to) (update :out conj text) (update :moves inc))))
    (update s :out conj "No way.")))
(defmethod command :take [{:keys [at] :as s} [_ item]]
  (if (contains? (get-in s [:rooms at :items]) item)
    (-> s (update :bag conj item) (update-in [:rooms at :items] disj item) (update :out conj (str "Taken: " (name item))))
    (update s :out conj (format "No %s here." (name item)))))
(let [end (reduce command {:at :hall :bag #{} :out [] :moves 0 :rooms rooms}
                  [[:go :east] [:go :down] [:take :lamp] [:go :west] [:go :north] [:take :lamp] [:dance] [:go :south] [:go :east] [:go :down] [:take :treasure]])]
  (run! println (:out end)) (println (:moves end) (sort (:bag end)) (get-in end [:rooms :library])))
;;;; zipmap-of-endless-sequences
(println (zipmap (range) [:a :b]) (zipmap [:a :b] (cycle [1 2])) (zipmap (iterate inc 0) (map inc [1 2])))
