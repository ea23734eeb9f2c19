;;;; last-element
(def last-elem (fn f [[x & xs]] (if xs (recur xs) x)))
(println (last-elem [1 2 3 4 5]) (last-elem '(5 4 3)) (last-elem ["b" "c" "d"]))
(println (= (last-elem [1 2 3]) 3))
;;;; penultimate
(println ((comp second reverse) (list 1 2 3 4 5)))
(println (#(nth % (- (count %) 2)) ["a" "b" "c"]))
(println (-> [[1 2] [3 4]] butlast last))
;;;; fibonacci-sequence
(defn fibs [n] (take n (map first (iterate (fn [[a b]] [b (+ a b)]) [0 1]))))
(println (fibs 15))
(def fib-seq (lazy-cat [0 1] (map + fib-seq (rest fib-seq))))
(println (take 20 fib-seq))
(println (nth fib-seq 90))
(def fib-seq-2 ((fn rfib [a b] (lazy-seq (cons a (rfib b (+ a b))))) 0N 1N))
(println (str (nth fib-seq-2 120)))
;;;; palindrome
(defn palindrome? [s] (= (seq s) (reverse s)))
(doseq [w ["racecar" "hello" [1 2 1] '(:a :b) "" nil]]
  (println (pr-str w) "->" (palindrome? w)))
;;;; flatten-by-hand
(defn my-flatten [coll]
  (lazy-seq
   (when-let [[x & xs] (seq coll)]
     (if (sequential? x)
       (concat (my-flatten x) (my-flatten xs))
       (cons x (my-flatten xs))))))
(println (my-flatten '((1 2) 3 [4 [5 6]])))
(println (my-flatten ["a" ["b"] "c"]))
(println (my-flatten '((((:a))))))
;;;; caps-only
(println (apply str (re-seq #"[A-Z]" "HeLlO, WoRlD!")))
(println (empty? (re-seq #"[A-Z]" "nothing")))
(println (reduce str (filter #(Character/isUpperCase %) "$#A(*&987Zf")))
;;;; compress-sequence
(defn compress [s] (map first (partition-by identity s)))
(println (apply str (compress "Leeeeeerrroyyy")))
(println (compress [1 1 2 3 3 2 2 3]) (compress [[1 2] [1 2] [3 4] [1 2]]))
;;;; pack-sequence
(println (partition-by identity [1 1 2 1 1 1 3 3]))
(println (map (juxt first count) (partition-by identity [:a :a :b :b :c])))
(prn (mapv vec (partition-by even? [2 4 1 3 6])))
;;;; duplicate-and-replicate
(println (mapcat #(list % %) [1 2 3]))
(println (mapcat #(repeat 3 %) [[1 2] [3 4]]))
(println ((fn [xs n] (mapcat (partial repeat n) xs)) [:a :b] 4))
;;;; my-range
(defn my-range [a b] (take (- b a) (iterate inc a)))
(println (my-range 1 4) (my-range -2 2) (my-range 5 8))
(loop [i 0 acc []] (if (< i 5) (recur (inc i) (conj acc (* i i))) (println acc)))
;;;; factorial
(defn fact [n] (reduce *' (range 1 (inc n))))
(println (fact 1) (fact 5) (fact 20))
(println (str (fact 30)))
(println (loop [n 10 acc 1] (if (zero? n) acc (recur (dec n) (* n acc)))))
;;;; interleave-two
(defn il [[x & xs :as a] [y & ys :as b]] (when (and (seq a) (seq b)) (list* x y (il xs ys))))
(println (il [1 2 3] [:a :b :c]))
(println (il [1 2] [3 4 5 6]))
(println (interleave [1 2 3] (cycle [:x :y]) "abc"))
;;;; drop-every-nth
(defn drop-every [coll n] (mapcat #(if (= n (count %)) (butlast %) %) (partition-all n coll)))
(println (drop-every [1 2 3 4 5 6 7 8] 3))
(println (drop-every [:a :b :c :d :e :f] 2))
(println (keep-indexed (fn [i x] (when (pos? (mod (inc i) 4)) x)) (range 1 10)))
;;;; rotate
(defn rotate [n xs] (let [k (mod n (count xs))] (concat (drop k xs) (take k xs))))
(println (rotate 2 [1 2 3 4 5]) (rotate -2 [1 2 3 4 5]) (rotate 6 [1 2 3 4 5]) (rotate -4 '(:a :b :c)))
;;;; flipping-out
(println (((fn [f] (fn [a b] (f b a))) nth) 2 [1 2 3 4 5]))
(println (((fn [f] #(apply f (reverse %&))) >) 7 8) (((fn [f] #(f %2 %1)) quot) 2 8))
;;;; split-by-type
(println (sort-by count (vals (group-by type [1 :a 2 :b :c]))))
(println (= #{[:a :b] ["foo" "bar"]} (set (vals (group-by class [:a "foo" "bar" :b])))))
;;;; longest-increasing
(defn longest-inc [xs]
  (let [runs (reduce (fn [acc x]
                       (if (> x (peek (peek acc)))
                         (conj (pop acc) (conj (peek acc) x))
                         (conj acc [x])))
                     [[(first xs)]] (rest xs))
        best (reduce #(if (> (count %2) (count %1)) %2 %1) [] runs)]
    (if (< 1 (count best)) best [])))
(println (longest-inc [1 0 1 2 3 0 4 5]) (longest-inc [5 6 1 3 2 7]) (longest-inc [2 3 3 4 5]) (longest-inc [7 6 5 4]))
;;;; partition-by-hand
(defn part [n xs]
  (loop [acc [] xs xs]
    (let [[a b] (split-at n xs)]
      (if (= n (count a)) (recur (conj acc a) b) acc))))
(println (part 3 (range 9)) (part 2 (range 8)) (part 3 (range 8)))
;;;; count-occurrences
(println (into (sorted-map) (frequencies [1 1 2 3 2 1 1])))
(println (reduce (fn [m x] (assoc m x (inc (get m x 0)))) (sorted-map) "mississippi"))
(println (into (sorted-map) (map (juxt key (comp count val)) (group-by identity "abracadabra"))))
;;;; distinct-ordered
(defn dist [xs] (reduce (fn [a x] (if (some #{x} a) a (conj a x))) [] xs))
(println (dist [1 2 1 3 1 2 4]) (dist [:a :a :b :b :c :c]) (dist '([2 4] [1 2] [1 3] [1 3])) (= (range 50) (dist (range 50))))
;;;; compose-by-hand
(defn my-comp [& fs]
  (fn [& args] (let [[f & gs] (reverse fs)] (reduce #(%2 %1) (apply f args) gs))))
(println ((my-comp rest reverse) [1 2 3 4]))
(println ((my-comp (partial + 3) second) [1 2 3 4]))
(println ((my-comp zero? #(mod % 8) +) 3 5 7 9))
(println ((my-comp clojure.string/upper-case #(apply str %) take) 5 "hello world"))
;;;; juxt-by-hand
(defn my-juxt [& fs] (fn [& args] (map #(apply % args) fs)))
(println ((my-juxt + max min) 2 3 5 1 6 4))
(println ((my-juxt clojure.string/upper-case count) "hello"))
(println ((my-juxt :a :c :b) {:a 2, :b 4, :c 6, :d 8 :e 10}))
;;;; reductions-by-hand
(defn my-reductions
  ([f [x & xs]] (my-reductions f x xs))
  ([f init xs] (lazy-seq (cons init (when-let [[y & ys] (seq xs)] (my-reductions f (f init y) ys))))))
(println (take 5 (my-reductions + (range))))
(println (my-reductions conj [1] [2 3 4]))
(println (my-reductions * 2 [3 4 5]))
;;;; zipmap-and-merge
(println (into {} (map vector [:a :b :c] [1 2 3])))
(defn mw [f & ms] (reduce (fn [a m] (reduce (fn [a [k v]] (if (contains? a k) (assoc a k (f (a k) v)) (assoc a k v))) a m)) ms))
(println (mw * {:a 2, :b 3, :c 4} {:a 2} {:b 2} {:c 5}))
(println (mw - {1 10, 2 20} {1 3, 2 10, 3 15}))
(println (merge-with into {:a [3], :b [6]} {:a [4 5], :c [8 9]} {:b [7]}))
;;;; prime-numbers
(defn primes [n] (take n (filter (fn [x] (not-any? #(zero? (mod x %)) (range 2 (inc (int (Math/sqrt x)))))) (iterate inc 2))))
(println (primes 20))
(println (last (primes 100)))
;;;; lazy-sieve
(defn sieve [s] (lazy-seq (cons (first s) (sieve (filter #(not= 0 (mod % (first s))) (rest s))))))
(println (take 25 (sieve (iterate inc 2))))
;;;; incremental-sieve
(def primes
  ((fn step [m n]
     (lazy-seq
      (if-let [fs (m n)]
        (step (reduce (fn [m f] (update m (+ n f) conj f)) (dissoc m n) fs) (inc n))
        (cons n (step (assoc m (* n n) [n]) (inc n))))))
   {} 2))
(println (take 15 primes) (nth primes 200))
;;;; perfect-numbers
(defn perfect? [n] (= n (apply + (filter #(zero? (rem n %)) (range 1 n)))))
(println (filter perfect? (range 2 130)))
;;;; anagram-finder
(defn anagrams [ws] (set (map set (filter #(> (count %) 1) (vals (group-by sort ws))))))
(println (= (anagrams ["meat" "mat" "team" "mate" "eat"]) #{#{"meat" "team" "mate"}}))
(println (sort-by first (map sort (anagrams ["veer" "lake" "item" "kale" "mite" "ever"]))))
;;;; trampoline-by-hand
(defn tr [f & args] (loop [r (apply f args)] (if (fn? r) (recur (r)) r)))
(letfn [(triple [x] #(sub-two (* 3 x)))
        (sub-two [x] #(stop? (- x 2)))
        (stop? [x] (if (> x 50) x #(triple x)))]
  (println (tr triple 2)))
(println (letfn [(my-even? [x] (if (zero? x) true #(my-odd? (dec x))))
                 (my-odd? [x] (if (zero? x) false #(my-even? (dec x))))]
           (map (partial trampoline my-even?) (range 6))))
;;;; tic-tac-toe
(defn winner [b]
  (let [lines (concat b (apply map vector b) [(map #(get-in b [% %]) (range 3)) (map #(get-in b [% (- 2 %)]) (range 3))])]
    (some #(when (and (apply = %) (not= :e (first %))) (first %)) lines)))
(println (winner [[:e :e :e] [:e :e :e] [:e :e :e]]))
(println (winner [[:x :e :o] [:x :e :e] [:x :e :o]]))
(println (winner [[:x :e :o] [:x :o :e] [:o :e :x]]))
;;;; pascal-triangle
(defn row [n] (nth (iterate #(map + (cons 0 %) (concat % [0])) [1]) (dec n)))
(doseq [n (range 1 8)] (println (apply str (repeat (- 8 n) " ")) (row n)))
(println (take 5 (iterate #(mapv +' (cons 0 %) (conj % 0)) [1])))
;;;; powerset
(defn power [s] (reduce (fn [acc x] (into acc (map #(conj % x)) acc)) #{#{}} s))
(println (= (power #{1 :a}) #{#{1 :a} #{:a} #{} #{1}}))
(println (count (power (range 10))))
(println (sort-by (juxt count vec) (map sort (power [1 2 3]))))
;;;; happy-numbers
(defn digits [n] (map #(- (int %) 48) (str n)))
(defn happy? [n] (loop [n n seen #{}] (cond (= n 1) true (seen n) false :else (recur (reduce + (map #(* % %) (digits n))) (conj seen n)))))
(println (filter happy? (range 1 60)))
;;;; roman-numerals
(def table [[1000 "M"] [900 "CM"] [500 "D"] [400 "CD"] [100 "C"] [90 "XC"] [50 "L"] [40 "XL"] [10 "X"] [9 "IX"] [5 "V"] [4 "IV"] [1 "I"]])
(defn roman [n] (loop [n n [[v s] & more :as t] table out ""] (cond (zero? n) out (>= n v) (recur (- n v) t (str out s)) :else (recur n more out))))
(defn unroman [s] (let [v (map {\I 1 \V 5 \X 10 \L 50 \C 100 \D 500 \M 1000} s)] (reduce + (map (fn [a b] (if (< a (or b 0)) (- a) a)) v (concat (rest v) [nil])))))
(doseq [n [1 4 9 14 40 90 400 1954 1990 2023 3999]] (println (format "%4d %s" n (roman n)) (= n (unroman (roman n)))))
;;;; bmi-binary-search-tree
(defn tree? [t] (or (nil? t) (and (sequential? t) (= 3 (count t)) (every? tree? (rest t)))))
(println (map tree? ['(:a (:b nil nil) nil) '(:a (:b nil nil)) [1 nil [2 [3 nil nil] [4 nil nil]]] '(:a nil ())]))
(defn mirror [[v l r :as t]] (when t [v (mirror r) (mirror l)]))
(println (mirror '(1 (2 nil (3 (4 (5 nil nil) (6 nil nil)) nil)) (2 nil nil))))
(defn insert [[v l r :as t] x] (cond (nil? t) [x nil nil] (< x v) [v (insert l x) r] :else [v l (insert r x)]))
(defn in-order [[v l r :as t]] (when t (concat (in-order l) [v] (in-order r))))
(println (in-order (reduce insert nil [5 2 8 1 9 3])))
;;;; gray-code
(defn gray [n] (if (zero? n) [""] (let [g (gray (dec n))] (concat (map #(str "0" %) g) (map #(str "1" %) (reverse g))))))
(println (gray 3))
(println (map #(Integer/toBinaryString (bit-xor % (bit-shift-right % 1))) (range 8)))
;;;; look-and-say
(def look-say (iterate (fn [s] (apply str (mapcat (juxt count first) (partition-by identity s)))) "1"))
(run! println (take 8 look-say))
(println (count (nth look-say 15)))
;;;; spiral-matrix
(defn spiral [m] (when (seq m) (concat (first m) (lazy-seq (spiral (when (next m) (reverse (apply map vector (rest m)))))))))
(println (spiral [[1 2 3] [4 5 6] [7 8 9]]))
(println (spiral [[1 2 3 4] [5 6 7 8]]))
;;;; balanced-brackets
(defn balanced? [s]
  (let [pairs {\) \( \] \[ \} \{}]
    (empty? (reduce (fn [st c] (cond (#{\( \[ \{} c) (conj st c)
                                     (pairs c) (if (= (peek st) (pairs c)) (pop st) (reduced [:bad]))
                                     :else st)) [] s))))
(doseq [s ["()" "{[()]}" "(]" "((" "a(b)c" ")("]] (println (format "%-8s %s" s (balanced? s))))
;;;; dot-and-transpose
(defn dot [a b] (reduce + (map * a b)))
(defn mmul [a b] (let [bt (apply map vector b)] (mapv (fn [r] (mapv #(dot r %) bt)) a)))
(println (dot [1 2 3] [4 5 6]) (mmul [[1 2] [3 4]] [[5 6] [7 8]]))
(println (apply mapv vector [[1 2 3] [4 5 6]]))
;;;; infix-calculator
(defn calc [a & more] (reduce (fn [acc [op x]] (op acc x)) a (partition 2 more)))
(println (calc 2 + 5) (calc 38 + 48 - 2 / 2) (calc 10 / 2 - 1 * 2) (calc 20 / 2 + 2 + 4 + 8 - 6 - 10 * 9))
;;;; symmetric-difference-and-cartesian
(require '[clojure.set :as set])
(defn sd [a b] (set/union (set/difference a b) (set/difference b a)))
(println (sort (sd #{1 2 3 4 5 6} #{1 3 5 7})))
(println (sort (for [a #{1 2 3} b #{4 5}] [a b])))
(println (sort (map vec (set/select #(< (count %) 2) #{#{1} #{1 2} #{3}}))))
;;;; gcd-lcm
(defn gcd [a b] (if (zero? b) a (recur b (mod a b))))
(defn lcm [& xs] (reduce #(/ (* %1 %2) (gcd %1 %2)) xs))
(println (gcd 1023 858) (lcm 2 3) (lcm 5 3 7) (int (lcm 1/3 2/5)) (str (lcm 3/4 1/6)))
;;;; sum-of-multiples-bignum
(defn tri [n k] (let [m (quot (dec n) k)] (*' k (/ (*' m (inc' m)) 2))))
(defn s [n a b] (-' (+' (tri n a) (tri n b)) (tri n (* a b))))
(println (str (s 1000 3 5)) (str (s 100000000 3 5)) (str (s (*' 10000 10000 10000) 7 11)))
;;;; word-sort-and-chop
(println (sort-by clojure.string/lower-case (re-seq #"\w+" "Have a nice day.")))
(println (sort-by clojure.string/lower-case (re-seq #"\w+" "Clojure is a fun language!")))
(println (map count (re-seq #"[aeiou]+" "queueing beautiful")))
;;;; sequence-reductions-and-oscillate
(defn osc [x & fs] (reductions #(%2 %1) x (cycle fs)))
(println (take 3 (osc 3.14 int double)) (take 5 (osc 3 #(- % 3) #(+ 5 %))) (take 12 (osc 0 inc dec inc dec inc)))
;;;; global-take-while
(defn tw [n p [x & xs]] (lazy-seq (when x (let [n (if (p x) (dec n) n)] (when (pos? n) (cons x (tw n p xs)))))))
(println (tw 4 #(= 2 (mod % 3)) [2 3 5 7 11 13 17 19 23]))
(println (tw 3 #(some #{\i} %) ["this" "is" "a" "sentence" "i" "wrote"]))
;;;; number-maze
(defn maze [a b] (loop [n 1 s #{a}] (if (s b) n (recur (inc n) (into #{} (mapcat (fn [x] (concat [(* 2 x) (+ x 2)] (when (even? x) [(/ x 2)])))) s)))))
(println (maze 1 1) (maze 3 12) (maze 12 3) (maze 5 9) (maze 9 2))
;;;; game-of-life
(defn step [board]
  (let [cells (set (for [[r row] (map-indexed vector board) [c ch] (map-indexed vector row) :when (= ch \#)] [r c]))
        n (frequencies (for [[r c] cells dr [-1 0 1] dc [-1 0 1] :when (not= 0 dr dc)] [(+ r dr) (+ c dc)]))
        n (frequencies (for [[r c] cells dr [-1 0 1] dc [-1 0 1] :when (not (and (zero? dr) (zero? dc)))] [(+ r dr) (+ c dc)]))]
    (for [r (range (count board))]
      (apply str (for [c (range (count (first board)))]
                   (if (or (= 3 (n [r c])) (and (= 2 (n [r c])) (cells [r c]))) \# \space))))))
(run! println (take 3 (iterate step ["      " " ##   " " ##   " "   ## " "   ## " "      "])))
;;;; levenshtein
(defn lev [a b]
  (let [f (fn [f a b]
            (cond (empty? a) (count b) (empty? b) (count a)
                  (= (first a) (first b)) (f f (rest a) (rest b))
                  :else (inc (min (f f (rest a) b) (f f a (rest b)) (f f (rest a) (rest b))))))
        g (let [m (atom {})] (fn g [_ a b] (or (@m [a b]) (let [r (f g a b)] (swap! m assoc [a b] r) r))))]
    (g nil (seq a) (seq b))))
(println (lev "kitten" "sitting") (lev "closure" "clojure") (lev [1 2 3 4] [0 2 3 4 5]) (lev "" "123") (lev "ttttattttctg" "tcaaccctaccat"))
;;;; poker-hands
(defn hand [cs]
  (let [r (sort (map #(clojure.string/index-of "23456789TJQKA" (str (second %))) cs)) f (sort > (vals (frequencies r)))
        flush? (apply = (map first cs)) st? (or (= r (range (first r) (+ 5 (first r)))) (= r [0 1 2 3 12]))]
    (cond (and flush? st?) :straight-flush (= f [4 1]) :four-of-a-kind (= f [3 2]) :full-house flush? :flush st? :straight
          (= f [3 1 1]) :three-of-a-kind (= f [2 2 1]) :two-pair (= f [2 1 1 1]) :pair :else :high-card)))
(println (map hand [["HA" "D2" "H3" "C9" "DJ"] ["HA" "HQ" "SJ" "DA" "HT"] ["HA" "DA" "HQ" "SQ" "HT"] ["HA" "DA" "CA" "HJ" "HT"] ["HA" "DK" "HQ" "HJ" "HT"] ["HA" "H2" "S3" "D4" "C5"] ["HA" "HK" "H2" "H4" "HT"] ["HA" "DA" "CA" "HJ" "DJ"] ["HA" "DA" "CA" "SA" "DJ"] ["HA" "HK" "HQ" "HJ" "HT"]]))
;;;; transitive-closure
(defn tc [r] (let [n (into r (for [[a b] r [c d] r :when (= b c)] [a d]))] (if (= n r) r (recur n))))
(println (sort (tc #{[8 4] [9 3] [4 2] [27 9]})))
(println (sort (tc #{["cat" "man"] ["man" "snake"] ["spider" "cat"]})))
;;;; graph-tour-and-connectivity
(defn connected? [es]
  (let [adj (reduce (fn [m [a b]] (-> m (update a (fnil conj #{}) b) (update b (fnil conj #{}) a))) {} es)]
    (loop [seen #{} [x & q] [(ffirst es)]]
      (if x (if (seen x) (recur seen q) (recur (conj seen x) (concat q (adj x)))) (= (count seen) (count adj))))))
(println (connected? #{[:a :a]}) (connected? #{[:a :b]}) (connected? #{[1 2] [2 3] [3 1] [4 5] [5 6] [6 4]}) (connected? #{[:a :b] [:b :c] [:c :d] [:x :y] [:d :a] [:b :e]}))
;;;; crossword
(defn fits [w rows] (let [strip (map #(clojure.string/replace % " " "") rows) ls (mapcat #(clojure.string/split % #"#") (concat strip (apply map str strip)))]
  (boolean (some #(re-matches (re-pattern (clojure.string/replace % "_" ".")) w) ls))))
(println (fits "the" ["_ # _ _ e"]) (fits "the" ["c _ _ _" "d _ # e" "r y _ _"]) (fits "joy" ["c _ _ _" "d _ # e" "r y _ _"]) (fits "clojure" ["_ _ _ # j o y" "_ _ o _ _ _ _" "_ _ f _ # _ _"]))
;;;; fizzbuzz-many-ways
(doseq [n (range 1 16)] (println (cond (zero? (mod n 15)) "FizzBuzz" (zero? (mod n 3)) "Fizz" (zero? (mod n 5)) "Buzz" :else n)))
(println (map (fn [a b n] (if (and a b) (str a b) (or a b n))) (cycle [nil nil "Fizz"]) (cycle [nil nil nil nil "Buzz"]) (range 1 16)))
(println (map #(condp (fn [d n] (zero? (rem n d))) % 15 :fb 3 :f 5 :b %) (range 1 16)))
;;;; veitch-and-universal
(defn univ [f] (fn [& xs] (reduce f xs)))
(println (map (fn [f] ((univ f) 1 2 3 4)) [+ - * max min]))
(println (take 5 (map #(apply * %) (map vector (range) (rest (range))))))
(println (reduce-kv (fn [a i x] (+ a (* i x))) 0 [5 6 7]))
